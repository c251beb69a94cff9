"""Every request is authenticated, by an API key or by a wallet's signed headers."""

import base64
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Send
from starlette.types import Scope as ASGIScope

from app.access.identity.credentials import KeyCredential
from app.access.identity.middleware import Identity
from app.access.identity.public_routes import PublicRoutes
from app.core.errors import MethodNotAllowedError, UnauthenticatedError
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead
from app.core.request.principal import Principal, Scope
from tests.access.identity.conftest import traces
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
CREATE = "/api/mlflow/api/2.0/mlflow/experiments/create"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"
# The order of the curve secp256k1 (SEC 2, section 2.4.1).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()


PRESENTATIONS: dict[str, Callable[[str], dict[str, str]]] = {
    "Bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "ApiKey": lambda key: {"Authorization": f"ApiKey {key}"},
    "X-API-Key": lambda key: {"X-API-Key": key},
    "Basic": lambda key: {"Authorization": basic(key)},
    "Basic, as the user name": lambda key: {
        "Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()
    },
    "Bearer and X-API-Key": lambda key: {"Authorization": f"Bearer {key}", "X-API-Key": key},
}


@pytest.mark.parametrize("way", PRESENTATIONS)
@pytest.mark.parametrize("path", [WHOAMI, SEARCH])
def test_a_key_is_accepted_in_each_way(gateway: RunningGateway, way: str, path: str) -> None:
    with gateway.client(**PRESENTATIONS[way](gateway.key())) as client:
        good(client.get(path))


@pytest.mark.parametrize(
    "second",
    [
        {"X-API-Key": "hk_live_other"},
        Wallet().headers(),
        {"X-ETH-Signature": "00"},
    ],
)
@pytest.mark.parametrize("path", [WHOAMI, SEARCH])
def test_two_credentials_at_once_are_ambiguous(
    gateway: RunningGateway, second: dict[str, str], path: str
) -> None:
    with gateway.client(gateway.key()) as client:
        refused(client.get(path, headers=second), 400, "ambiguous_credentials")


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key"])
def test_the_same_header_twice_is_refused(gateway: RunningGateway, name: str) -> None:
    value = ("Bearer " if name == "Authorization" else "") + gateway.key()
    with gateway.client() as client:
        refused(client.get(WHOAMI, headers=[(name, value)] * 2), 400, "malformed_request")


ADMIN_ROUTES = [
    ("POST", "/api/admin/keys"),
    ("GET", "/api/admin/keys"),
    ("POST", "/api/admin/keys/abc/rotate"),
    ("DELETE", "/api/admin/keys/abc"),
    ("POST", "/api/admin/tenants"),
    ("GET", "/api/admin/tenants"),
    ("GET", "/api/admin/audit"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_admin_routes_need_the_scope_admin(gateway: RunningGateway, method: str, path: str) -> None:
    body = {"name": "n", "tenant": "made by no admin"} if method == "POST" else None
    with gateway.client(gateway.key()) as client:
        problem = refused(client.request(method, path, json=body), 403, "scope_missing")
    assert problem["message"].startswith("This needs the scope admin; your credential has read,")
    with gateway.client() as client:
        refused(client.request(method, path, json=body), 401, "credentials_missing")
    assert not sql(gateway, "select 1 from tenants where name = 'made by no admin'")


def test_a_read_only_key_cannot_write(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(scopes=[Scope.READ])) as client:
        good(client.get(SEARCH))
        problem = refused(client.post(CREATE, json={"name": "x"}), 403, "scope_missing")
    assert "needs the scope write" in problem["message"]
    assert "has read." in problem["message"]


def test_a_key_without_read_cannot_read(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(scopes=[Scope.WRITE])) as client:
        good(client.post(CREATE, json={"name": "x"}))
        assert "needs the scope read" in refused(client.get(SEARCH), 403, "scope_missing")["detail"]


def test_a_key_in_the_query_is_ignored(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        answer: httpx.Response = client.get(WHOAMI, params={"api_key": gateway.key()})
        refused(answer, 401, "credentials_missing")


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client() as anonymous:
        yield anonymous


def test_the_headers_of_the_guide_authenticate_the_wallet(client: httpx.Client) -> None:
    wallet = Wallet()
    for prefix in ("", "0x"):
        headers = wallet.headers()
        headers["X-ETH-Signature"] = prefix + headers["X-ETH-Signature"]
        assert good(client.get(WHOAMI, headers=headers)) == {
            "principal": wallet.principal,
            "tenant": wallet.tenant,
            "scopes": ["read", "write", "register", "attest"],
            "credential": "signature",
            "address": wallet.address,
            "session": None,
            "rate_limit": 1_000_000,
            "expires_at": None,
        }


def test_the_address_may_be_in_any_casing(client: httpx.Client) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    for address in (wallet.address.lower(), "0x" + wallet.address[2:].upper()):
        me = good(client.get(WHOAMI, headers={**headers, "X-ETH-Address": address}))
        assert me["principal"] == wallet.principal


@pytest.mark.parametrize("seconds", [-290, 0, 50])
def test_a_message_within_the_window_is_accepted(client: httpx.Client, seconds: float) -> None:
    good(client.get(WHOAMI, headers=Wallet().headers(seconds)))


@pytest.mark.parametrize(
    ("seconds", "says"), [(-310, "seconds old"), (80, "ahead"), (1e7, "ahead")]
)
def test_a_message_outside_the_window_is_stale(
    client: httpx.Client, seconds: float, says: str
) -> None:
    answer = client.get(WHOAMI, headers=Wallet().headers(seconds))
    problem = refused(answer, 401, "signature_stale")
    assert says in problem["message"]
    assert problem["server_time"].endswith("+00:00")


def with_signature(change: Callable[[bytes], bytes | str]) -> Callable[[dict[str, str]], None]:
    def apply(headers: dict[str, str]) -> None:
        changed = change(bytes.fromhex(headers["X-ETH-Signature"]))
        headers["X-ETH-Signature"] = changed if isinstance(changed, str) else changed.hex()

    return apply


def high_s(raw: bytes) -> bytes:
    """The second signature with another s, which recovers the same address (EIP-2)."""
    s = ORDER - int.from_bytes(raw[32:64], "big")
    return raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])


def compact(raw: bytes, *, other: bool = False) -> bytes:
    """The signature in 64 bytes (EIP-2098). other: with the wrong parity."""
    parity = (raw[64] - 27) ^ other
    return raw[:32] + bytes([raw[32] | parity << 7]) + raw[33:64]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "v of 27 or 28": lambda raw: raw,
    "v of 0 or 1": lambda raw: raw[:64] + bytes([raw[64] - 27]),
    "EIP-2098": compact,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_is_accepted_in_each_form_that_wallets_write(
    client: httpx.Client, form: str
) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    with_signature(FORMS[form])(headers)
    assert good(client.get(WHOAMI, headers=headers))["address"] == wallet.address
    good(client.post("/api/auth/token", headers=headers), 201)
    # The message is spent in all of its forms.
    for other in FORMS:
        again = {**headers, "X-ETH-Signature": wallet.sign(headers["X-ETH-Message"])}
        with_signature(FORMS[other])(again)
        refused(client.post("/api/auth/token", headers=again), 401, "signature_spent")


def header(name: str, value: str | None) -> Callable[[dict[str, str]], None]:
    def apply(headers: dict[str, str]) -> None:
        if value is None:
            del headers[name]
        else:
            headers[name] = value

    return apply


ADDRESS, MESSAGE, SIGNATURE = "X-ETH-Address", "X-ETH-Message", "X-ETH-Signature"


MALFORMED = {
    "no address": header(ADDRESS, None),
    "no message": header(MESSAGE, None),
    "no signature": header(SIGNATURE, None),
    "empty address": header(ADDRESS, ""),
    "short address": header(ADDRESS, "0x12"),
    "address without 0x": header(ADDRESS, "12" * 21),
    "another's address": header(ADDRESS, "0x" + "12" * 20),
    "another message": header(MESSAGE, "I agree"),
    "no time": header(MESSAGE, "Hokusai API Access - now"),
    "an impossible time": header(MESSAGE, "Hokusai API Access - 2026-02-30T00:00:00"),
    "year zero": header(MESSAGE, "Hokusai API Access - 0000-01-01T00:00:00"),
    "not ASCII": header(MESSAGE, "Hokusai API Access - \u0662\u0660"),
    "control characters": header(MESSAGE, "Hokusai\tAPI Access"),
    "huge": header(MESSAGE, "Hokusai API Access - " + "9" * 7000),
    "not hexadecimal": header(SIGNATURE, "zz" * 65),
    "too short": with_signature(lambda raw: raw[:63]),
    "all zeros": with_signature(lambda _: bytes(64) + b"\x1b"),
    "all ones": with_signature(lambda _: b"\xff" * 64 + b"\x1b"),
    "v of EIP-155": with_signature(lambda raw: raw[:64] + bytes([raw[64] + 10])),
    "v of 29": with_signature(lambda raw: raw[:64] + b"\x1d"),
    "v of 2": with_signature(lambda raw: raw[:64] + b"\x02"),
    "high s": with_signature(high_s),
    "other v": with_signature(lambda raw: raw[:64] + bytes([55 - raw[64]])),
    "EIP-2098 with the other parity": with_signature(lambda raw: compact(raw, other=True)),
    "0x twice": with_signature(lambda raw: "0x0x" + raw.hex()),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_each_malformed_wallet_header_is_refused_without_a_traceback(
    client: httpx.Client, log: list[logging.LogRecord], kind: str
) -> None:
    headers = Wallet().headers()
    MALFORMED[kind](headers)
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    for answer in (
        client.get(WHOAMI, headers=encoded),
        client.post(CREATE, json={"name": "x"}, headers=encoded),
        client.post("/api/auth/token", headers=encoded),
    ):
        problem = refused(answer, 401, "signature_invalid")
        assert len(problem["message"]) > 20
    assert traces(log) == []
    said = [str(record.msg) for record in log]
    assert any("'status': 401" in line for line in said)
    assert not any(headers.get(SIGNATURE, "-") in line for line in said if headers.get(SIGNATURE))


# --- the middleware alone ---

PATH = "/api/auth/nonce"


class FakeAuthenticator:
    """Knows one key, which is in the cache or not."""

    def __init__(self, *, cached: bool) -> None:
        self.principal = Principal("key:a", "a", "t", frozenset())
        self.cached = cached
        self.lookups = 0

    def digest(self, credential: KeyCredential) -> bytes:
        return credential.secret.encode()

    def authenticate_cached_key(self, digest: bytes, client: str) -> Principal | None:
        return self.principal if self.cached else None

    async def authenticate_key(self, credential: KeyCredential, client: str) -> Principal:
        self.lookups += 1
        return self.principal

    def admits(self, principal: Principal) -> bool:
        return True

    async def admit(self, principal: Principal) -> None:
        pass


async def call(
    authenticator: FakeAuthenticator, method: str, path: str, **headers: bytes
) -> RequestContext:
    """Send a request through the middleware to an application that does nothing."""

    async def app(scope: ASGIScope, receive: Receive, send: Send) -> None:
        pass

    async def receive() -> Message:
        raise AssertionError("the body must not be read before authentication")

    async def send(message: Message) -> None:
        pass

    by_name = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    context = RequestContext("id-1", RequestHead([], by_name, "192.0.2.1"))
    scope = {"type": "http", "method": method, "path": path, "context": context}
    sessions: Any = NoSessions()
    identity = Identity(app, authenticator, sessions, PublicRoutes(frozenset({("GET", PATH)})))  # type: ignore[arg-type]
    await identity(scope, receive, send)
    return context


class NoSessions:
    """Finds no session in any request."""

    def site(self, *_: object) -> None:
        pass

    async def authenticate(self, *_: object) -> None:
        pass


async def test_a_public_path_needs_no_credential() -> None:
    assert (await call(FakeAuthenticator(cached=False), "GET", PATH)).principal is None


async def test_another_method_of_a_public_path_is_refused() -> None:
    with pytest.raises(MethodNotAllowedError) as caught:
        await call(FakeAuthenticator(cached=False), "POST", PATH)
    assert caught.value.headers == ((b"allow", b"GET"),)


async def test_a_request_without_a_credential_is_refused() -> None:
    with pytest.raises(UnauthenticatedError, match="needs an API key"):
        await call(FakeAuthenticator(cached=True), "GET", "/api/limits")


@pytest.mark.parametrize(("cached", "lookups"), [(True, 0), (False, 1)])
async def test_a_key_is_looked_up_only_if_it_is_not_cached(cached: bool, lookups: int) -> None:
    authenticator = FakeAuthenticator(cached=cached)
    context = await call(authenticator, "GET", "/api/limits", x_api_key=b"key")
    assert context.principal is authenticator.principal
    assert context.head.key_digest == b"key"
    assert authenticator.lookups == lookups
