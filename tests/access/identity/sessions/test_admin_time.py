"""A session acts as an admin for half an hour, after its key was sent again."""

from app.access.identity.credential_cache import CredentialCache
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.tab import SESSIONS, SIGN_IN, Tab
from tests.support.wallet import Wallet

ADMIN = f"{SESSIONS}/current/admin"
ADMINS_ONLY = "/api/admin/keys"


def test_acting_as_an_admin_needs_the_key_again_and_ends(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    session_id = tab.sign_in(key)["id"]
    refused(tab.post(ADMIN, json={"key": f"{key[:-1]}0"}), 401, "key_invalid")
    refused(tab.get(ADMINS_ONLY), 403, "scope_missing")
    assert good(tab.post(ADMIN, json={"key": key}))["admin_until"]
    good(tab.get(ADMINS_ONLY))
    assert good(tab.delete(ADMIN))["admin_until"] is None
    refused(tab.get(ADMINS_ONLY), 403, "scope_missing")
    actions = sql(
        gateway, "select action from audit_events where subject = %s order by id", session_id
    )
    assert actions == [("session.started",), ("session.admin_started",), ("session.admin_ended",)]


def test_after_half_an_hour_it_is_over(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    session_id = tab.sign_in(key)["id"]
    good(tab.post(ADMIN, json={"key": key}))
    for minutes, status in ((29, 200), (1, 403)):
        sql(
            gateway,
            "update sessions set admin_until = admin_until - %s * interval '1 minute'"
            " where id = %s",
            minutes,
            session_id,
        )
        gateway.service(CredentialCache).invalidate(session_id)
        assert tab.get(ADMINS_ONLY).status_code == status
    assert good(tab.get(SESSIONS))["items"][0]["admin_until"] is None


def test_only_the_sessions_own_key_is_a_proof(gateway: RunningGateway, tab: Tab) -> None:
    tab.sign_in(gateway.key(scopes=ALL_SCOPES))
    other = gateway.key(scopes=ALL_SCOPES)
    refused(tab.post(ADMIN, json={"key": other}), 403, "permission_denied")


def test_another_session_of_the_key_is_not_an_admins(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    tab.sign_in(key)
    good(tab.post(ADMIN, json={"key": key}))
    with Tab(gateway) as other:
        other.sign_in(key)
        refused(other.get(ADMINS_ONLY), 403, "scope_missing")
    # Signing in again, in another tab of the same browser, ends it.
    tab.sign_in(key)
    refused(tab.get(ADMINS_ONLY), 403, "scope_missing")


def test_a_session_that_is_not_an_admins_gains_nothing_by_its_keys(
    gateway: RunningGateway, tab: Tab
) -> None:
    """By the secret of a successor it could act as an admin for ever."""
    begun = tab.sign_in(gateway.key(scopes=ALL_SCOPES))
    refused(tab.post(f"/api/keys/{begun['key']}/rotate", json={}), 403, "permission_denied")
    body = {"name": "n", "scopes": ["admin"]}
    refused(tab.post("/api/keys", json=body), 403, "permission_denied")


def test_a_key_without_admin_is_none(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key()
    tab.sign_in(key)
    refused(tab.post(ADMIN, json={"key": key}), 403, "scope_missing")


def test_a_wallet_never_is_an_admin(gateway: RunningGateway, tab: Tab) -> None:
    wallet = Wallet()
    text = good(tab.post("/api/auth/message", json={"address": wallet.address}))["message"]
    good(tab.post(SIGN_IN, json={"message": text, "signature": wallet.sign(text)}), 201)
    key = gateway.key(scopes=ALL_SCOPES)
    refused(tab.post(ADMIN, json={"key": key}), 403, "permission_denied")


def test_an_admins_session_ends_no_key_above_itself(gateway: RunningGateway, tab: Tab) -> None:
    """Nor does it make keys with the scope admin, before it acts as one."""
    key = gateway.key(scopes=ALL_SCOPES)
    tab.sign_in(key)
    body = {"name": "n", "scopes": ["admin"]}
    refused(tab.post("/api/keys", json=body), 403, "permission_denied")
    good(tab.post(ADMIN, json={"key": key}))
    good(tab.post("/api/keys", json=body), 201)


def test_a_request_with_a_key_needs_no_session(gateway: RunningGateway) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    with gateway.client(key) as client:
        refused(client.post(ADMIN, json={"key": key}), 403, "permission_denied")
