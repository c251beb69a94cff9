"""The account page: own keys and sessions, by forms."""

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest

from app.web.pages import account as account_page
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.tab import FORM, LINK, SIGN_IN, Tab
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"


class Account:
    """The account page of a browser that is signed in."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    @property
    def page(self) -> str:
        response = self.tab.get("/account", headers=LINK)
        assert response.status_code == 200, response.text
        return response.text

    def send(self, path: str, **fields: str) -> httpx.Response:
        """Send one of the page's forms."""
        assert f'action="/account{path}"' in self.page
        session = good(self.tab.get(WHOAMI))["session"]
        return self.tab.post(f"/account{path}", headers=FORM, data={"session": session, **fields})


@pytest.fixture
def tab(gateway: RunningGateway) -> Iterator[Tab]:
    with Tab(gateway) as opened:
        yield opened


@pytest.fixture
def account(gateway: RunningGateway, tab: Tab) -> Account:
    tab.sign_in(gateway.key("account tenant"))
    return Account(tab)


def secret_on(response: httpx.Response) -> str:
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    (found,) = set(re.findall(r"hk_live_\w+", response.text))
    return str(found)


def test_it_shows_who_one_is_and_ones_limits(account: Account) -> None:
    page = account.page
    assert "account tenant" in page
    assert "read, write, register, attest" in page
    assert "requests left for your sessions" in page
    assert "attestations" in page
    assert "Acting as an admin" not in page


def test_it_needs_a_session(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key()) as client:
        refused(client.get("/account"), 403, "permission_denied")


def test_a_key_is_made_shown_once_rotated_and_revoked(
    gateway: RunningGateway, account: Account
) -> None:
    fields = {"name": "<cluster>", "days": "7", "scope-read": "on"}
    made = secret_on(account.send("/keys", **fields))
    with gateway.client(made) as client:
        me = good(client.get(WHOAMI))
    assert me["scopes"] == ["read"]
    page = account.page
    assert made not in page
    assert "&lt;cluster&gt;" in page
    rotated = secret_on(account.send(f"/keys/{me['credential']}/rotate", overlap="0"))
    with gateway.client(made) as old, gateway.client(rotated) as new:
        refused(old.get(WHOAMI), 401, "key_rotated")
        successor = good(new.get(WHOAMI))["credential"]
        response = account.send(f"/keys/{successor}/revoke")
        assert (response.status_code, response.headers["location"]) == (303, "/account#keys")
        refused(new.get(WHOAMI), 401, "key_revoked")


def test_rotating_the_key_of_the_session_says_that_it_ends(account: Account) -> None:
    own = good(account.tab.get(WHOAMI))["credential"]
    response = account.send(f"/keys/{own}/rotate", overlap="3600")
    secret_on(response)
    assert "This session ends with that key" in response.text


def test_many_keys_have_pages(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_page, "MOST_KEYS", 3)
    for number in range(4):
        good(account.tab.post("/api/keys", json={"name": f"number-{number}"}), 201)
    names, path = [], "/account"
    while path:
        page = account.tab.get(path, headers=LINK).text
        names.append(re.findall(r"<td>(number-\d|test)", page))
        following = re.findall(r'rel="next" href="([^"]+)"', page)
        path = unescape(following[0]) if following else ""
    assert names == [["number-3", "number-2", "number-1"], ["number-0", "test"]]
    assert 'href="/account#keys">Newest keys' in page
    assert account.tab.get("/account?before=none", headers=LINK).status_code == 404


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "n", "days": "x"}, "expires_in_days"),
        ({"name": "n", "days": "4000"}, "expires_in_days"),
        ({"name": "n", "siwe-message": "m", "siwe-signature": "0xzz"}, "SIWE"),
    ],
)
def test_a_form_that_is_wrong_is_explained(
    account: Account, fields: dict[str, str], word: str
) -> None:
    response = account.send("/keys", **fields)
    assert response.status_code in (403, 422)
    assert response.headers["content-type"].startswith("text/html")
    assert word in unescape(response.text)


def test_a_form_of_another_session_is_refused(gateway: RunningGateway, account: Account) -> None:
    """A tab that still shows the first tenant does nothing as the second."""
    first = good(account.tab.get(WHOAMI))["session"]
    account.tab.sign_in(gateway.key("second tenant"))
    for fields in ({"session": first, "name": "n"}, {"name": "n"}):
        response = account.tab.post("/account/keys", headers=FORM, data=fields)
        assert response.status_code == 409
        assert "session_changed" in response.text
    assert len(good(account.tab.get("/api/keys"))["items"]) == 1


@pytest.mark.parametrize(
    "path", ["/keys", "/keys/none/revoke", "/sessions/end-others", "/admin", "/admin/end"]
)
def test_another_page_cannot_send_the_forms(account: Account, path: str) -> None:
    session = good(account.tab.get(WHOAMI))["session"]
    foreign = {**FORM, "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    response = account.tab.post(
        f"/account{path}", headers=foreign, data={"session": session, "name": "n"}
    )
    assert response.status_code == 403
    assert "other_origin" in response.text


def test_sessions_are_listed_and_ended(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key()
    account = Account(tab)
    with Tab(gateway, User_Agent="another browser") as one, Tab(gateway) as two:
        ended = one.sign_in(key)["id"]
        two.sign_in(key)
        tab.sign_in(key)
        assert "another browser" in account.page
        response = account.send(f"/sessions/{ended}/end")
        assert response.headers["location"] == "/account#sessions"
        refused(one.get(WHOAMI), 401, "session_ended")
        account.send("/sessions/end-others")
        refused(two.get(WHOAMI), 401, "session_ended")
    own = good(tab.get(WHOAMI))["session"]
    account.send(f"/sessions/{own}/end")
    assert tab.cookies == {}


def test_acting_as_an_admin_is_asked_for_with_the_key(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    tab.sign_in(key)
    account = Account(tab)
    refused_page = account.send("/admin", key=gateway.key(scopes=ALL_SCOPES))
    assert refused_page.status_code == 403
    assert account.send("/admin", key=key).headers["location"] == "/account#admin"
    good(tab.get("/api/admin/keys"))
    account.send("/admin/end")
    refused(tab.get("/api/admin/keys"), 403, "scope_missing")


def test_a_wallet_makes_keys_with_a_text_that_it_signs(gateway: RunningGateway, tab: Tab) -> None:
    wallet = Wallet()

    def sign() -> dict[str, str]:
        text = good(tab.post("/api/auth/message", json={"address": wallet.address}))["message"]
        return {"message": text, "signature": wallet.sign(text)}

    good(tab.post(SIGN_IN, json=sign()), 201)
    account = Account(tab)
    assert f'data-signer="{wallet.address}"' in account.page
    assert account.send("/keys", name="n", days="90").status_code == 403
    signed = sign()
    long = account.send(
        "/keys",
        name="n",
        days="90",
        **{
            # Browsers send the line breaks of forms as CR LF.
            "siwe-message": signed["message"].replace("\n", "\r\n"),
            "siwe-signature": signed["signature"],
        },
    )
    secret_on(long)
