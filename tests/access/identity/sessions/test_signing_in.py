"""A browser is signed in with a key, a wallet's message or a link."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import pytest

from app.access.identity.peppers import Peppers
from app.access.identity.sessions.service import MOST
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sign_in_link import link_of
from tests.support.sql import sql
from tests.support.tab import FORM, LINK, OWN, SESSIONS, SIGN_IN, Tab
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
MESSAGE = "/api/auth/message"


@pytest.fixture(scope="module")
def strict(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway over HTTPS whose wallets sign in on one chain."""
    url = "https://registry.example"
    with RunningGateway(
        new_database(), mlflow_server.url, public_url=url, siwe_chain_ids=(1,)
    ) as running:
        yield running


def test_a_key_signs_a_browser_in(gateway: RunningGateway, tab: Tab) -> None:
    key = gateway.key("signed in")
    begun = tab.sign_in(key)
    me = good(tab.get(WHOAMI))
    assert me["session"] == begun["id"]
    assert me["principal"] == begun["principal"] == f"key:{begun['key']}"
    assert (me["credential"], me["tenant"]) == (begun["key"], "signed in")
    assert me["scopes"] == ["read", "write", "register", "attest"]
    good(tab.get(SEARCH))  # the other plane
    assert [one["is_current"] for one in good(tab.get(SESSIONS))["items"]] == [True]


def test_the_secret_is_only_in_the_cookie_and_is_stored_as_a_hash(
    gateway: RunningGateway, tab: Tab
) -> None:
    key = gateway.key()
    response = tab.post(SIGN_IN, json={"key": f" {key}\n"}, headers={**OWN, "User-Agent": key})
    secret = tab.cookies[tab.cookie]
    assert secret not in response.text
    (line,) = response.headers.get_list("set-cookie")
    attributes = SimpleCookie(line)[tab.cookie]
    assert (attributes["httponly"], attributes["samesite"], attributes["path"]) == (
        True,
        "Lax",
        "/",
    )
    assert (attributes["secure"], attributes["domain"]) == ("", "")
    assert 7 * 86400 - 60 < int(attributes["max-age"]) <= 7 * 86400
    assert response.headers["cache-control"] == "no-store"
    row = sql(gateway, "select * from sessions where id = %s", good(response, 201)["id"])
    assert row
    assert secret not in str(row)
    # Nor a key that came along in another place.
    assert key not in str(row)


def test_a_session_is_without_admin(gateway: RunningGateway, tab: Tab) -> None:
    begun = tab.sign_in(gateway.key(scopes=ALL_SCOPES))
    assert "admin" not in begun["scopes"]
    refused(tab.get("/api/admin/keys"), 403, "scope_missing")


def test_a_wallet_signs_a_browser_in(gateway: RunningGateway, tab: Tab) -> None:
    wallet = Wallet()
    text = good(tab.post(MESSAGE, json={"address": wallet.address.lower(), "chain_id": 8453}))
    signed = {"message": text["message"], "signature": wallet.sign(text["message"])}
    begun = good(tab.post(SIGN_IN, json=signed), 201)
    me = good(tab.get(WHOAMI))
    assert (me["principal"], me["tenant"]) == (wallet.principal, wallet.tenant)
    assert (me["credential"], me["session"]) == ("session", begun["id"])
    refused(tab.post(SIGN_IN, json=signed), 401, "signature_spent")


def test_a_wallets_message_names_the_gateway_and_only_its_address(
    signing_in: RunningGateway,
) -> None:
    with Tab(signing_in) as tab:
        first = good(tab.post(MESSAGE, json={"address": Wallet().address}))["message"]
        assert first.startswith("registry.example wants you to sign in")
        assert "URI: https://registry.example/login" in first
        stranger = {"message": first, "signature": Wallet().sign(first)}
        refused(tab.post(SIGN_IN, json=stranger), 401, "signature_invalid")
        refused(tab.post(MESSAGE, json={"address": "0x12"}), 422, "validation_failed")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"domain": "evil.example", "uri": "https://evil.example/login"}, "signature_invalid"),
        ({"domain": "registry.example:81"}, "signature_invalid"),
        ({"uri": "https://evil.example/login"}, "signature_invalid"),
        ({"chain_id": 5}, "signature_invalid"),
        ({"nonce": "0" * 20}, "signature_spent"),
        ({"issued_at": datetime.now(UTC) - timedelta(hours=1)}, "signature_stale"),
        ({"expiration_time": datetime.now(UTC) - timedelta(hours=1)}, "signature_stale"),
        ({"not_before": datetime.now(UTC) + timedelta(hours=1)}, "signature_stale"),
    ],
)
def test_a_wallets_message_for_something_else_signs_nobody_in(
    strict: RunningGateway, fields: dict[str, Any], reason: str
) -> None:
    wallet = Wallet()
    with Tab(strict) as tab:
        nonce = good(tab.get("/api/auth/nonce"))["nonce"]
        asked = {"uri": "https://registry.example/login", **fields}
        signed = wallet.siwe("registry.example", asked.pop("nonce", nonce), **asked)
        refused(tab.post(SIGN_IN, json=signed), 401, reason)
        assert tab.cookies == {}
        # The same without what is wrong.
        right = wallet.siwe("registry.example", nonce, uri="https://registry.example/login")
        good(tab.post(SIGN_IN, json=right), 201)


def test_over_https_the_cookie_belongs_to_this_host_alone(signing_in: RunningGateway) -> None:
    with Tab(signing_in) as tab:
        response = tab.post(SIGN_IN, json={"key": signing_in.key()})
        (line,) = response.headers.get_list("set-cookie")
        assert line.startswith("__Host-hokusai=hk_session_")
        assert line.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
        assert "domain" not in line.lower()
        good(tab.get(WHOAMI))
        # The same secret in the cookie of plain HTTP, which a neighbour could set.
        tab.cookies = {tab.cookie: tab.cookies["__Host-hokusai"]}
        refused(tab.get(WHOAMI), 401, "credentials_missing")


@pytest.mark.parametrize("host", ["registry.example", "192.0.2.1:8000", "localhost.evil.example"])
def test_nobody_signs_in_over_plain_http_but_on_loopback(
    gateway: RunningGateway, tab: Tab, host: str
) -> None:
    elsewhere = {**OWN, "Host": host}
    body = {"key": gateway.key()}
    problem = refused(tab.post(SIGN_IN, json=body, headers=elsewhere), 403, "plain_http")
    assert "HOKUSAI_PUBLIC_URL" in problem["message"]
    assert tab.cookies == {}


def test_a_proxy_that_is_not_known_makes_loopback_elsewhere(
    gateway: RunningGateway, tab: Tab
) -> None:
    forwarded = {**OWN, "X-Forwarded-Proto": "https"}
    body = {"key": gateway.key()}
    refused(tab.post(SIGN_IN, json=body, headers=forwarded), 403, "plain_http")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"key": "k", "link": "l"},
        {"message": "m"},
        {"key": "k", "message": "m", "signature": "0x00"},
        {"key": ""},
        {"key": "k" * 201},
        {"name": "x"},
    ],
)
def test_a_body_needs_exactly_one_credential(tab: Tab, body: dict[str, Any]) -> None:
    refused(tab.post(SIGN_IN, json=body), 422, "validation_failed")


def test_what_is_not_an_api_key_does_not_sign_in(gateway: RunningGateway, tab: Tab) -> None:
    token = good(tab.post("/api/auth/token", headers=Wallet().headers()), 201)["access_token"]
    for text in (token, "hk_live_x", "köy", gateway.key()[:-1]):
        refused(tab.post(SIGN_IN, json={"key": text}), 401, "key_invalid")
    assert tab.cookies == {}


def test_each_sign_in_has_a_new_secret_and_ends_the_one_before(
    gateway: RunningGateway, tab: Tab
) -> None:
    key = gateway.key()
    first = tab.sign_in(key)
    planted = dict(tab.cookies)
    second = tab.sign_in(key)
    assert tab.cookies != planted
    assert first["id"] != second["id"]
    assert [one["id"] for one in good(tab.get(SESSIONS))["items"]] == [second["id"]]
    tab.cookies = planted
    refused(tab.get(WHOAMI), 401, "session_ended")


def test_a_planted_cookie_is_not_taken_over(gateway: RunningGateway, tab: Tab) -> None:
    """Whoever sets a victim's cookie before the sign-in has no session after it."""
    with Tab(gateway) as attacker:
        attacker.sign_in(gateway.key())
        tab.cookies = dict(attacker.cookies)
        tab.sign_in(gateway.key())
        assert tab.cookies != attacker.cookies
        refused(attacker.get(WHOAMI), 401, "session_ended")


def test_two_tabs_with_two_tenants_are_both_of_the_second(
    gateway: RunningGateway, tab: Tab
) -> None:
    """A browser has one cookie, so that the first tab's next request is of the new session."""
    tab.sign_in(gateway.key("first tab"))
    tab.sign_in(gateway.key("second tab"))
    assert good(tab.get(WHOAMI))["tenant"] == "second tab"


def test_a_principal_has_a_bounded_number_of_sessions(gateway: RunningGateway) -> None:
    key = gateway.key()
    with Tab(gateway) as oldest, Tab(gateway) as newest:
        oldest.sign_in(key)
        for _ in range(MOST):
            newest.cookies = {}
            newest.sign_in(key)
        refused(oldest.get(WHOAMI), 401, "session_ended")
        assert len(good(newest.get(SESSIONS))["items"]) == MOST


def test_two_different_cookies_of_the_name_are_none(gateway: RunningGateway, tab: Tab) -> None:
    tab.sign_in(gateway.key())
    one = tab.cookies[tab.cookie]
    tab.sign_in(gateway.key())
    two = tab.cookies.pop(tab.cookie)
    both = f"{tab.cookie}={one}; {tab.cookie}={two}"
    refused(tab.get(WHOAMI, headers={**OWN, "Cookie": both}), 401, "credentials_missing")


def test_a_request_with_a_credential_of_its_own_ignores_the_cookie(
    gateway: RunningGateway, tab: Tab
) -> None:
    tab.sign_in(gateway.key("of the cookie"))
    for own, tenant in (
        ({"X-API-Key": gateway.key("of the key")}, "of the key"),
        ((wallet := Wallet()).headers(), wallet.tenant),
    ):
        me = good(tab.get(WHOAMI, headers={**OWN, **own}))
        assert (me["tenant"], me["session"]) == (tenant, None)
    refused(tab.get(WHOAMI, headers={**OWN, "X-API-Key": "hk_live_x"}), 401, "key_invalid")


async def test_a_link_signs_in_once(gateway: RunningGateway, tab: Tab) -> None:
    key_id = tab.sign_in(gateway.key(scopes=[Scope.READ]))["key"]
    link = await link_of(gateway, key_id)
    tab.cookies = {}
    assert good(tab.post(SIGN_IN, json={"link": link}), 201)["key"] == key_id
    refused(tab.post(SIGN_IN, json={"link": link}), 401, "link_invalid")


async def test_a_link_ends_after_ten_minutes_and_with_its_key(
    gateway: RunningGateway, tab: Tab
) -> None:
    key = gateway.key()
    key_id = tab.sign_in(key)["key"]
    old, later = await link_of(gateway, key_id), await link_of(gateway, key_id)
    digest = Peppers.from_settings(gateway.settings).digest(old)
    assert sql(
        gateway,
        "update sign_in_links set expires_at = expires_at - interval '10 minutes'"
        " where digest = %s returning expires_at",
        digest,
    )
    refused(tab.post(SIGN_IN, json={"link": old}), 401, "link_invalid")
    good(tab.delete(f"/api/keys/{key_id}"), 204)
    refused(tab.post(SIGN_IN, json={"link": later}), 401, "link_invalid")


async def test_a_link_works_only_on_the_gateways_own_machine(signing_in: RunningGateway) -> None:
    with Tab(signing_in) as tab:
        link = await link_of(signing_in, tab.sign_in(signing_in.key())["key"])
        refused(tab.post(SIGN_IN, json={"link": link}), 403, "permission_denied")


def test_the_audit_log_records_who_signed_in_and_out(gateway: RunningGateway, tab: Tab) -> None:
    begun = tab.sign_in(gateway.key())
    good(tab.delete(f"{SESSIONS}/current"), 204)
    rows = sql(
        gateway, "select action, actor, client from audit_events where subject = %s", begun["id"]
    )
    assert rows == [
        ("session.started", begun["principal"], "127.0.0.1"),
        ("session.ended", begun["principal"], "127.0.0.1"),
    ]


async def test_no_secret_of_a_session_is_logged(
    gateway: RunningGateway, tab: Tab, log: list[logging.LogRecord]
) -> None:
    """Wherever it was sent: as a cookie, a credential, in a path, a query, a body or a name."""
    key_id = tab.sign_in(gateway.key())["key"]
    session, link = tab.cookies[tab.cookie], await link_of(gateway, key_id)
    for secret in (session, link):
        tab.get(f"/models/{secret}?next={secret}", headers={**LINK, "User-Agent": secret})
        tab.get("/login", params={"next": f"/{secret}"}, headers={**LINK, "Referer": secret})
        tab.post("/account/keys", headers=FORM, data={"session": secret, "name": secret})
        tab.post(SIGN_IN, json={"key": secret}, headers={**OWN, "X-Request-ID": secret})
        tab.get(WHOAMI, headers={**OWN, "X-API-Key": secret})
    tab.cookies = {}
    good(tab.post(SIGN_IN, json={"link": link}), 201)
    # uvicorn's own lines about requests are switched off.
    logged = "\n".join(one.getMessage() for one in log if one.name != "uvicorn.access")
    assert logged.count("'event': 'request'") >= 6
    for secret in (session, link, tab.cookies[tab.cookie]):
        assert secret not in logged
        assert secret not in str(sql(gateway, "select * from audit_events"))
