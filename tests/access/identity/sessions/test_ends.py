"""Sessions end with their key or wallet, at sign-out, unused after 12 hours, after 7 days."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app.access.identity.cleanup import Cleanup
from app.access.identity.credential_cache import CredentialCache
from app.access.identity.sessions.authenticator import IDLE, TOUCH
from app.access.identity.sessions.service import LIFETIME
from app.core.request.principal import Scope
from app.database.engine import Database
from tests.access.identity.conftest import Pair, wait_until_cached
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.tab import SESSIONS, SIGN_IN, Tab
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"


class Everywhere:
    """One browser's session at two gateways of one database, whose caches both have it."""

    def __init__(self, pair: Pair, stack: ExitStack) -> None:
        self.pair = pair
        self.one, self.other = (stack.enter_context(Tab(gateway)) for gateway in pair)

    def sign_in(self, key: str) -> str:
        wait_until_cached(*self.pair)
        begun = self.one.sign_in(key)
        self.share()
        assert self.statuses() == {200}
        return str(begun["id"])

    def share(self) -> None:
        """Let the other gateway's cookie be that of the same session."""
        self.other.cookies = {self.other.cookie: self.one.cookies[self.one.cookie]}

    def statuses(self) -> set[int]:
        return {tab.get(WHOAMI).status_code for tab in (self.one, self.other)}

    def ends(self) -> None:
        """It ends everywhere."""
        wait_until(lambda: self.statuses() == {401})
        for tab in (self.one, self.other):
            refused(tab.get(WHOAMI), 401, "session_ended")


@pytest.fixture
def everywhere(pair: Pair) -> Iterator[Everywhere]:
    with ExitStack() as stack:
        yield Everywhere(pair, stack)


def end_by_sign_out(session: Everywhere, _key_id: str) -> None:
    good(session.one.delete(f"{SESSIONS}/current"), 204)


def end_all(session: Everywhere, _key_id: str) -> None:
    good(session.one.delete(SESSIONS))


def revoke_key(session: Everywhere, key_id: str) -> None:
    good(session.one.delete(f"/api/keys/{key_id}"), 204)


def rotate_key(session: Everywhere, key_id: str) -> None:
    body = {"overlap_seconds": 0}
    good(session.one.post(f"/api/keys/{key_id}/rotate", json=body), 201)


def revoke_as_admin(session: Everywhere, key_id: str) -> None:
    gateway = session.pair[1]
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin:
        good(admin.delete(f"/api/admin/keys/{key_id}"), 204)


@pytest.mark.parametrize("end", [end_by_sign_out, end_all, revoke_key, rotate_key, revoke_as_admin])
def test_a_session_ends_in_every_gateway(
    everywhere: Everywhere, end: Callable[[Everywhere, str], None]
) -> None:
    everywhere.sign_in(everywhere.pair[0].key())
    cookies = dict(everywhere.one.cookies)
    end(everywhere, good(everywhere.one.get(WHOAMI))["credential"])
    everywhere.one.cookies = cookies  # a thief keeps it
    everywhere.ends()


def test_revoking_the_parent_of_its_key_ends_a_session(everywhere: Everywhere) -> None:
    gateway = everywhere.pair[0]
    with gateway.client(gateway.key()) as parent:
        child = good(parent.post("/api/keys", json={"name": "child"}), 201)["key"]
        everywhere.sign_in(child)
        good(parent.delete(f"/api/keys/{good(parent.get(WHOAMI))['credential']}"), 204)
    everywhere.ends()


def test_a_wallet_ends_its_sessions_with_everything_else(everywhere: Everywhere) -> None:
    wallet, gateway = Wallet(), everywhere.pair[0]
    wait_until_cached(*everywhere.pair)
    message = good(everywhere.one.post("/api/auth/message", json={"address": wallet.address}))
    signed = {"message": message["message"], "signature": wallet.sign(message["message"])}
    good(everywhere.one.post(SIGN_IN, json=signed), 201)
    everywhere.share()
    assert everywhere.statuses() == {200}
    # Its session is not the wallet's own signature.
    refused(everywhere.one.delete("/api/keys"), 403, "permission_denied")
    with gateway.client(**wallet.headers()) as client:
        assert good(client.delete("/api/keys")) == {"keys": 0, "tokens": 0, "sessions": 1}
    everywhere.ends()


def move(gateway: RunningGateway, session_id: str, column: str, seconds: float) -> None:
    """Let a time of a session be earlier, and let the gateway look it up again."""
    assert sql(
        gateway,
        f"update sessions set {column} = {column} - %s * interval '1 second' where id = %s"  # noqa: S608
        " returning id",
        seconds,
        session_id,
    )
    gateway.service(CredentialCache).invalidate(session_id)


@pytest.mark.parametrize(
    ("column", "seconds"),
    [("last_used_at", IDLE.total_seconds()), ("expires_at", LIFETIME.total_seconds())],
)
def test_a_session_ends_by_itself(
    gateway: RunningGateway, tab: Tab, column: str, seconds: float
) -> None:
    begun = tab.sign_in(gateway.key())
    move(gateway, begun["id"], column, seconds - 600)
    good(tab.get(WHOAMI))
    move(gateway, begun["id"], column, seconds + 600)
    refused(tab.get(WHOAMI), 401, "session_ended")


def test_a_session_ends_when_its_key_expires(gateway: RunningGateway, tab: Tab) -> None:
    begun = tab.sign_in(gateway.key(expires_in_days=1))
    sql(gateway, "update api_keys set expires_at = now() where id = %s", begun["key"])
    gateway.service(CredentialCache).invalidate(begun["key"])
    refused(tab.get(WHOAMI), 401, "session_ended")


def test_the_end_of_a_session_holds_without_another_look_up(
    gateway: RunningGateway, tab: Tab
) -> None:
    """As for a key: a cached entry knows its end."""
    begun = tab.sign_in(gateway.key(expires_in_days=1))
    me = good(tab.get(WHOAMI))
    key = sql(gateway, "select expires_at from api_keys where id = %s", begun["key"])
    assert me["expires_at"] == key[0][0].isoformat().replace("+00:00", "Z")


def test_use_is_recorded_at_most_every_few_minutes(gateway: RunningGateway, tab: Tab) -> None:
    session_id = tab.sign_in(gateway.key())["id"]

    def last_use() -> object:
        gateway.service(CredentialCache).invalidate(session_id)
        good(tab.get(WHOAMI))
        return sql(gateway, "select last_used_at from sessions where id = %s", session_id)

    first = last_use()
    assert last_use() == first
    move(gateway, session_id, "last_used_at", TOUCH.total_seconds() + 60)
    moved = sql(gateway, "select last_used_at from sessions where id = %s", session_id)
    assert last_use() != moved


def test_a_session_is_looked_up_once_while_it_is_cached(gateway: RunningGateway, tab: Tab) -> None:
    wait_until(lambda: gateway.service(CredentialCache).listening)
    session_id = tab.sign_in(gateway.key())["id"]
    good(tab.get(WHOAMI))
    sql(gateway, "delete from sessions where id = %s", session_id)
    good(tab.get(WHOAMI))  # as nobody was notified
    gateway.service(CredentialCache).invalidate(session_id)
    refused(tab.get(WHOAMI), 401, "session_ended")


def test_a_caller_ends_one_of_its_sessions_and_no_other(gateway: RunningGateway) -> None:
    key = gateway.key()
    with Tab(gateway) as one, Tab(gateway) as two, Tab(gateway) as stranger:
        ids = [one.sign_in(key)["id"], two.sign_in(key)["id"]]
        stranger.sign_in(gateway.key())
        refused(stranger.delete(f"{SESSIONS}/{ids[0]}"), 404, "not_found")
        good(two.delete(f"{SESSIONS}/{ids[0]}"), 204)
        refused(one.get(WHOAMI), 401, "session_ended")
        assert [item["id"] for item in good(two.get(SESSIONS))["items"]] == [ids[1]]
        good(stranger.get(WHOAMI))


def test_all_others_can_be_ended(gateway: RunningGateway) -> None:
    key = gateway.key()
    with Tab(gateway) as one, Tab(gateway) as two:
        one.sign_in(key)
        two.sign_in(key)
        assert good(two.delete(f"{SESSIONS}?others=true")) == {"sessions": 1}
        refused(one.get(WHOAMI), 401, "session_ended")
        good(two.get(WHOAMI))
    with gateway.client(key) as client:
        assert good(client.delete(SESSIONS)) == {"sessions": 1}
        refused(client.delete(f"{SESSIONS}?others=true"), 403, "permission_denied")
        refused(client.delete(f"{SESSIONS}/current"), 403, "permission_denied")


def test_sign_out_removes_the_cookie(gateway: RunningGateway, tab: Tab) -> None:
    tab.sign_in(gateway.key())
    response = tab.delete(f"{SESSIONS}/current")
    assert response.headers["set-cookie"].startswith(f"{tab.cookie}=; Max-Age=0; Path=/;")
    assert tab.cookies == {}


async def test_the_cleanup_removes_what_has_ended(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key(scopes=[Scope.READ])
    sessions = []
    for _ in range(3):
        tab.cookies = {}
        sessions.append(tab.sign_in(key)["id"])
    idle, old, live = sessions
    move(gateway, idle, "last_used_at", IDLE.total_seconds() + 60)
    move(gateway, old, "expires_at", LIFETIME.total_seconds() + 60)
    assert gateway.settings.database_url is not None
    database = Database(gateway.settings.database_url.get_secret_value(), connections=1)
    try:
        await Cleanup(database, CredentialCache(), ended_key_days=90).run_once({})
    finally:
        await database.close()
    left = sql(gateway, "select id from sessions where id = any(%s)", sessions)
    assert left == [(live,)]
