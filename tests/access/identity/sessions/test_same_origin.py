"""The cookie of a session counts only for requests of the gateway's own pages."""

import httpx
import pytest

from app.access.identity.sessions.cookie import remove_cookie, secret_in
from app.access.identity.sessions.site import Site, Sites, is_own_request, opens_page
from app.core.settings import Settings
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.tab import LINK, OWN, SIGN_IN, Tab

WHOAMI = "/api/auth/whoami"
KEYS = "/api/keys"
LOGIN = "/login?next="


def fetched(relation: str, mode: str = "no-cors", to: str = "empty") -> dict[str, str]:
    return {"Sec-Fetch-Site": relation, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": to}


# What pages elsewhere can make a browser send, with the cookie or without.
FOREIGN = {
    "a form of another site": (
        "POST",
        {**fetched("cross-site", "navigate", "document"), "Origin": "https://evil.example"},
    ),
    "a form of another port": (
        "POST",
        {**fetched("same-site", "navigate", "document"), "Origin": "http://127.0.0.1:9"},
    ),
    "a script of another port": (
        "POST",
        {**fetched("same-site", "cors"), "Origin": "http://127.0.0.1:9"},
    ),
    "a read of another port": ("GET", fetched("same-site", "cors")),
    "a read of another site": ("GET", fetched("cross-site", "no-cors")),
    "an image": ("GET", fetched("same-site", "no-cors", "image")),
    "a frame": ("GET", fetched("cross-site", "navigate", "iframe")),
    "a script element": ("GET", fetched("same-site", "no-cors", "script")),
    "an address bar, for a change": ("DELETE", fetched("none", "navigate", "document")),
    "an old browser's form": ("POST", {"Origin": "https://evil.example"}),
    "an old browser's form of another port": ("POST", {"Origin": "http://127.0.0.1:9"}),
    "an old browser's frame without an origin": ("POST", {"Origin": "null"}),
    "an old browser that says nothing": ("POST", {}),
    "an old browser's read": ("GET", {"Origin": "http://127.0.0.1:9"}),
    "two relations": ("POST", {"Sec-Fetch-Site": "same-origin, cross-site"}),
}


@pytest.mark.parametrize("way", FOREIGN)
def test_a_request_of_another_page_is_refused(gateway: RunningGateway, tab: Tab, way: str) -> None:
    tab.sign_in(gateway.key())
    before = len(good(tab.get(KEYS))["items"])
    method, headers = FOREIGN[way]
    response = tab.request(method, KEYS, headers=headers, json={"name": "made by another page"})
    refused(response, 403, "other_origin")
    assert len(good(tab.get(KEYS))["items"]) == before


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        fetched("none", "navigate", "document"),
        LINK,
        {},  # an old browser
    ],
)
def test_own_pages_and_links_may_read(
    gateway: RunningGateway, tab: Tab, headers: dict[str, str]
) -> None:
    tab.sign_in(gateway.key())
    good(tab.get(WHOAMI, headers=headers))


def test_an_old_browsers_form_of_an_own_page_may_change(gateway: RunningGateway, tab: Tab) -> None:
    tab.sign_in(gateway.key())
    good(tab.post(KEYS, json={"name": "n"}, headers={"Origin": gateway.url}), 201)


@pytest.mark.parametrize("way", [way for way in FOREIGN if FOREIGN[way][0] == "POST"])
def test_another_page_cannot_sign_a_browser_in(gateway: RunningGateway, tab: Tab, way: str) -> None:
    """The victim would work as the attacker, who could read everything later."""
    body = {"key": gateway.key()}
    refused(tab.post(SIGN_IN, headers=FOREIGN[way][1], json=body), 403, "other_origin")
    assert tab.cookies == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-HTTP-Method": "DELETE"},
        {"X-Method-Override": "DELETE"},
    ],
)
def test_no_header_turns_a_read_into_a_change(
    gateway: RunningGateway, tab: Tab, headers: dict[str, str]
) -> None:
    """A link elsewhere may open a page, so that reading has to change nothing."""
    tab.sign_in(gateway.key())
    for path in ("/api/auth/sessions/current", "/api/auth/sessions", "/logout"):
        for method in ("GET", "HEAD"):
            tab.request(method, f"{path}?_method=DELETE", headers={**LINK, **headers})
    good(tab.get(WHOAMI))


def test_an_allowed_origin_of_cors_gains_nothing_by_the_cookie() -> None:
    settings = Settings(cors_origins=("https://app.example",))
    site = Sites(settings).of("127.0.0.1", {b"host": b"localhost:8000"})
    headers = {b"origin": b"https://app.example"}
    assert not is_own_request("GET", headers, site)


# --- where to sign in ---


@pytest.mark.parametrize(
    ("path", "next_"),
    [
        ("/api/auth/whoami", "/api/auth/whoami"),
        ("/account?tab=keys&x=%2F", "/account%3Ftab%3Dkeys%26x%3D%252F"),
        ("/none/%0d%0aset-cookie:x", "/none/%250d%250aset-cookie%3Ax"),
        ("//evil.example/", "//evil.example/"),
    ],
)
def test_opening_a_page_without_a_session_leads_to_the_sign_in(
    gateway: RunningGateway, path: str, next_: str
) -> None:
    with gateway.client() as client:
        response = client.get(
            httpx.URL(gateway.url).copy_with(raw_path=path.encode()), headers=LINK
        )
    assert response.status_code == 303
    assert response.headers["location"] == LOGIN + next_
    assert response.headers["cache-control"] == "no-store"


def test_a_session_that_ended_leads_to_the_sign_in_too(gateway: RunningGateway, tab: Tab) -> None:
    tab.sign_in(gateway.key())
    ended = dict(tab.cookies)
    good(tab.delete("/api/auth/sessions/current"), 204)
    tab.cookies = ended
    assert tab.get(WHOAMI, headers=LINK).headers["location"] == LOGIN + WHOAMI
    refused(tab.get(WHOAMI), 401, "session_ended")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Accept": "*/*"}),
        ("POST", LINK),
        ("GET", {**LINK, "Sec-Fetch-Dest": "iframe"}),
        ("GET", {**OWN, "Accept": "text/html"}),
        ("GET", {**LINK, "X-API-Key": "hk_live_x"}),
    ],
)
def test_programs_and_scripts_get_an_error(
    gateway: RunningGateway, method: str, headers: dict[str, str]
) -> None:
    with gateway.client() as client:
        assert client.request(method, KEYS, headers=headers).status_code == 401


def test_an_old_browser_opens_a_page_too() -> None:
    assert opens_page("GET", {b"accept": b"text/html,application/xhtml+xml"})


# --- the way to the gateway ---


def site(peer: str = "127.0.0.1", settings: Settings | None = None, **headers: str) -> Site:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Sites(settings or Settings()).of(peer, named)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:9", "127.8.8.8", "[::1]:8000", "a.localhost"]
)
def test_a_loopback_name_allows_sessions_without_https(host: str) -> None:
    found = site(host=host)
    assert (found.is_loopback, found.is_secure, found.allows_sessions) == (True, False, True)
    assert found.origin == f"http://{host}"


@pytest.mark.parametrize(
    ("peer", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), ("172.17.0.1", False), ("", False)],
)
def test_a_name_alone_makes_no_request_local(peer: str, is_local: bool) -> None:
    """The header Host is what the client writes."""
    found = site(peer, host="localhost:8000")
    assert (found.is_loopback, found.is_local) == (True, is_local)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8000", "hokusai_session_8000"),
        ("[::1]:8000", "hokusai_session_8000"),
        ("[::1]", "hokusai_session"),
        ("localhost", "hokusai_session"),
    ],
)
def test_two_gateways_on_a_machine_have_two_cookies(host: str, name: str) -> None:
    """Cookies know no ports."""
    found = site(host=host)
    assert remove_cookie(found)[1].startswith(f"{name}=;".encode())
    assert secret_in({b"cookie": f"{name}=a; hokusai_session_1=b".encode()}, found) == "a"


@pytest.mark.parametrize(
    "host",
    ["registry.example", "localhost.evil.example", "10.0.0.1", "[::", "", "127.0.0.1.nip.io"],
)
def test_any_other_name_does_not(host: str) -> None:
    assert not site(host=host).allows_sessions
    assert site(settings=Settings(plain_http_sessions=True), host=host).allows_sessions


TRUSTING = Settings(trusted_proxies="10.0.0.0/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_secure"),
    [
        ("10.1.1.1", "https", True),
        ("10.1.1.1", "HTTPS, http", True),
        ("10.1.1.1", "http", False),
        ("192.0.2.1", "https", False),
    ],
)
def test_a_trusted_proxy_says_whether_the_browser_speaks_https(
    peer: str, forwarded: str, is_secure: bool
) -> None:
    found = site(peer, TRUSTING, host="registry.example", x_forwarded_proto=forwarded)
    assert found.is_secure is found.allows_sessions is is_secure


def test_a_public_url_of_https_makes_every_way_secure() -> None:
    public = Settings(public_url="https://Registry.example:443/base")
    found = site(settings=public, host="gateway:8000")
    assert found.is_secure
    assert found.origins == {"https://gateway:8000", "https://registry.example"}
