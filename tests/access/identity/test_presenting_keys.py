"""How a key is presented, and how each kind of bad one is refused."""

import base64
from collections.abc import Callable

import httpx
import pytest

from app.access.identity.key_format import new_key, new_token
from app.core.request.principal import Scope
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
CREATE = "/api/mlflow/api/2.0/mlflow/experiments/create"
SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search?max_results=1"


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{key}".encode()).decode()


PRESENTATIONS: dict[str, Callable[[str], dict[str, str]]] = {
    "Bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "ApiKey": lambda key: {"Authorization": f"ApiKey {key}"},
    "X-API-Key": lambda key: {"X-API-Key": key},
    "Basic": lambda key: {"Authorization": basic(key)},
}


@pytest.mark.parametrize("way", PRESENTATIONS)
@pytest.mark.parametrize("path", [WHOAMI, SEARCH])
def test_a_key_is_taken_in_each_of_four_ways(gateway: RunningGateway, way: str, path: str) -> None:
    with gateway.client(**PRESENTATIONS[way](gateway.key())) as client:
        good(client.get(path))


def test_whoami_tells_what_a_key_may(gateway: RunningGateway) -> None:
    key = gateway.key("whoami tenant", [Scope.WRITE, Scope.READ], rate_limit=7)
    with gateway.client(key) as client:
        me = good(client.get(WHOAMI))
    assert me == {
        "principal": f"key:{me['credential']}",
        "tenant": "whoami tenant",
        "scopes": ["read", "write"],
        "credential": me["credential"],
        "address": None,
        "rate_limit": 7,
    }


def revoke(gateway: RunningGateway, key_id: str) -> None:
    sql(gateway, "update api_keys set revoked_at = now() where id = %s", key_id)


def expire(gateway: RunningGateway, key_id: str) -> None:
    sql(gateway, "update api_keys set expires_at = now() where id = %s", key_id)


def rotate(gateway: RunningGateway, key_id: str) -> None:
    sql(gateway, "update api_keys set expires_at = now(), successor = id where id = %s", key_id)


def stored(gateway: RunningGateway, change: Callable[[RunningGateway, str], None]) -> str:
    """A key that was changed in the database before it was ever used."""
    tenant = f"changed by {change.__name__}"
    key = gateway.key(tenant)
    ((key_id,),) = sql(
        gateway, "select id from api_keys where tenant = %s and hint like %s", tenant,
        f"%{key[-11:-7]}",
    )  # fmt: skip
    change(gateway, key_id)
    return key


BAD: dict[str, tuple[str, Callable[[RunningGateway], dict[str, str]]]] = {
    "missing": ("credentials_missing", lambda _: {}),
    "no scheme": ("key_invalid", lambda _: {"Authorization": new_key()}),
    "unknown scheme": ("key_invalid", lambda _: {"Authorization": f"Token {new_key()}"}),
    "empty": ("key_invalid", lambda _: {"Authorization": "Bearer"}),
    "malformed": ("key_invalid", lambda _: {"Authorization": "Bearer sk-something"}),
    "mistyped": ("key_invalid", lambda g: {"X-API-Key": g.key()[:-1] + "#"}),
    "not ASCII": ("key_invalid", lambda _: {"X-API-Key": "hk_live_ключ"}),
    "bad base64": ("key_invalid", lambda _: {"Authorization": "Basic !!!"}),
    "unknown": ("key_invalid", lambda _: {"Authorization": f"Bearer {new_key()}"}),
    "mistyped token": ("token_invalid", lambda _: {"X-API-Key": new_token()[:-1] + "#"}),
    "unknown token": ("token_invalid", lambda _: {"Authorization": f"Bearer {new_token()}"}),
    "revoked": ("key_revoked", lambda g: {"X-API-Key": stored(g, revoke)}),
    "expired": ("key_expired", lambda g: {"X-API-Key": stored(g, expire)}),
    "rotated": ("key_rotated", lambda g: {"X-API-Key": stored(g, rotate)}),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("path", [WHOAMI, SEARCH])
def test_each_bad_key_is_refused_with_its_own_reason(
    gateway: RunningGateway, kind: str, path: str
) -> None:
    reason, headers = BAD[kind]
    encoded = {name.encode(): value.encode() for name, value in headers(gateway).items()}
    with gateway.client() as client:
        answer = client.get(path, headers=encoded)
        problem = refused(answer, 401, reason)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert problem["error_code"] == "UNAUTHENTICATED"
    for value in headers(gateway).values():
        assert value not in answer.text


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


def test_a_key_in_the_query_is_no_credential(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        answer: httpx.Response = client.get(WHOAMI, params={"api_key": gateway.key()})
        refused(answer, 401, "credentials_missing")
