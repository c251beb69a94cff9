"""The pages on which one signs in and out, as browsers without scripts use them."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.tab import FORM, LINK, Tab

WHOAMI = "/api/auth/whoami"
ATTACKS = [
    "//evil.example",
    "/\\evil.example",
    "/%0d%0aSet-Cookie:a=b",
    "https://evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\r\nLocation: https://evil.example",
    "/.//evil.example",
]


@pytest.fixture
def tab(gateway: RunningGateway) -> Iterator[Tab]:
    with Tab(gateway) as opened:
        yield opened


def sign_in(tab: Tab, key: str, **fields: Any) -> httpx.Response:
    return tab.post("/login", headers=FORM, data={"key": key, **fields})


def test_a_form_signs_in_and_leads_on(gateway: RunningGateway, tab: Tab) -> None:
    asked = tab.get("/account?x=1", headers=LINK)
    assert asked.status_code == 303
    shown = tab.get(asked.headers["location"], headers=LINK)
    (following,) = re.findall(r'name="next" value="([^"]*)"', shown.text)
    assert unescape(following) == "/account?x=1"
    response = sign_in(tab, gateway.key("form tenant"), next=unescape(following))
    assert (response.status_code, response.headers["location"]) == (303, "/account?x=1")
    assert response.headers["cache-control"] == "no-store"
    assert "form tenant" in tab.get("/account", headers=LINK).text
    assert good(tab.get(WHOAMI))["tenant"] == "form tenant"


def test_every_page_shows_who_is_signed_in(gateway: RunningGateway, tab: Tab) -> None:
    assert "Sign in</a>" in tab.get("/", headers=LINK).text
    sign_in(tab, gateway.key("shown tenant"))
    page = tab.get("/", headers=LINK)
    assert "shown tenant" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "That ends" not in page.text
    assert "You are signed in as" in tab.get("/login", headers=LINK).text


@pytest.mark.parametrize("attack", ATTACKS)
def test_signing_in_never_leads_to_another_origin(
    gateway: RunningGateway, tab: Tab, attack: str
) -> None:
    page = tab.get(f"/login?next={quote(attack)}", headers=LINK)
    decoded = quote(attack, safe="%") if "%0d" in attack else attack
    assert 'name="next" value="/"' in page.text or "%0d" in decoded
    response = sign_in(tab, gateway.key(), next=attack)
    location = response.headers["location"]
    assert httpx.URL(gateway.url).join(location).host == "127.0.0.1"
    assert location in ("/", "/%0d%0aSet-Cookie:a=b")
    assert "a" not in tab.cookies


def test_a_wrong_key_is_explained_on_the_form(tab: Tab) -> None:
    for key, status in (("hk_live_x", 401), ("", 422)):
        page = sign_in(tab, key, next="/account")
        assert page.status_code == status
        assert page.headers["content-type"].startswith("text/html")
        assert 'role="alert"' in page.text
        assert 'name="next" value="/account"' in page.text
        assert "www-authenticate" not in page.headers
    assert "hk_live_x" not in page.text
    assert tab.cookies == {}


def test_over_plain_http_elsewhere_the_page_has_no_form(gateway: RunningGateway, tab: Tab) -> None:
    page = tab.get("/login", headers={**LINK, "Host": "registry.example"})
    assert "<form" not in page.text
    assert "HOKUSAI_PUBLIC_URL" in page.text


@pytest.mark.parametrize("path", ["/login", "/logout"])
def test_another_page_can_neither_sign_in_nor_out(
    gateway: RunningGateway, tab: Tab, path: str
) -> None:
    sign_in(tab, gateway.key("still here"))
    foreign = {**FORM, "Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9"}
    response = tab.post(path, headers=foreign, data={"key": gateway.key()})
    assert response.status_code == 403
    assert good(tab.get(WHOAMI))["tenant"] == "still here"


def test_signing_out_ends_the_session(gateway: RunningGateway, tab: Tab) -> None:
    sign_in(tab, gateway.key())
    kept = dict(tab.cookies)
    response = tab.post("/logout", headers=FORM)
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert tab.cookies == {}
    tab.cookies = kept
    refused(tab.get(WHOAMI), 401, "session_ended")
    # A page that was left open signs out again.
    assert tab.post("/logout", headers=FORM).status_code == 303


def test_a_session_that_ended_leads_to_the_sign_in(gateway: RunningGateway, tab: Tab) -> None:
    sign_in(tab, gateway.key())
    kept = dict(tab.cookies)
    tab.post("/logout", headers=FORM)
    tab.cookies = kept
    response = tab.get("/account", headers=LINK)
    assert response.headers["location"] == "/login?next=/account"
    refused(tab.get("/api/keys"), 401, "session_ended")
