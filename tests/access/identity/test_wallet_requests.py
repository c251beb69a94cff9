"""Requests that a wallet signs, as the guide's HokusaiAuth class sends them."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.access.identity.conftest import traces
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
MLFLOW = "/api/mlflow/api/2.0/mlflow"
SEARCH = f"{MLFLOW}/experiments/search"
CREATE = f"{MLFLOW}/experiments/create"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client() as anonymous:
        yield anonymous


def spent(gateway: RunningGateway, wallet: Wallet) -> int:
    """How many messages of a wallet were used up."""
    statement = "select count(*) from spent_signatures where address = %s"
    ((number,),) = sql(gateway, statement, wallet.address)
    return int(number)


def test_the_headers_of_the_guide_say_who_calls(client: httpx.Client) -> None:
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
            "rate_limit": 1_000_000,
        }


def test_the_address_may_be_in_any_casing(client: httpx.Client) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    for address in (wallet.address.lower(), "0x" + wallet.address[2:].upper()):
        me = good(client.get(WHOAMI, headers={**headers, "X-ETH-Address": address}))
        assert me["principal"] == wallet.principal


def test_one_message_reads_as_often_as_one_likes(
    gateway: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    for _ in range(3):
        good(client.get(SEARCH, params={"max_results": 1}, headers=headers))
        # A search that is a POST changes nothing either.
        good(client.post(SEARCH, json={"max_results": 1}, headers=headers))
        good(client.get("/api/keys", headers=headers))
    assert spent(gateway, wallet) == 0
    good(client.post(CREATE, json={"name": "x"}, headers=headers))
    good(client.get(SEARCH, params={"max_results": 1}, headers=headers))
    assert spent(gateway, wallet) == 1


def test_one_message_changes_one_thing(gateway: RunningGateway, client: httpx.Client) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    good(client.post(CREATE, json={"name": "first"}, headers=headers))
    again = client.post(CREATE, json={"name": "second"}, headers=headers)
    assert "already authorised a change" in refused(again, 401, "signature_spent")["message"]
    # The body was read, so the connection is good for the next request.
    assert again.headers.get("connection") != "close"
    # Neither another way to write the same address nor another form of the signature helps.
    twin = {
        **headers,
        "X-ETH-Address": wallet.address.lower(),
        "X-ETH-Signature": "0x" + headers["X-ETH-Signature"].upper(),
    }
    refused(client.post("/api/keys", json={"name": "n"}, headers=twin), 401, "signature_spent")
    refused(client.post("/api/auth/token", headers=headers), 401, "signature_spent")
    good(client.post(CREATE, json={"name": "second"}, headers=wallet.headers()))
    assert spent(gateway, wallet) == 2


def test_messages_of_two_wallets_at_the_same_moment_do_not_meet(client: httpx.Client) -> None:
    one, other = Wallet(), Wallet()
    message = one.headers()["X-ETH-Message"]
    for wallet in (one, other):
        headers = {
            "X-ETH-Address": wallet.address,
            "X-ETH-Message": message,
            "X-ETH-Signature": wallet.sign(message),
        }
        good(client.post(CREATE, json={"name": "x"}, headers=headers))


@pytest.mark.parametrize("path", [CREATE, "/api/keys", "/api/auth/token"])
def test_twenty_at_once_with_one_message_are_one(gateway: RunningGateway, path: str) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    bodies = {CREATE: {"name": "one"}, "/api/keys": {"name": "one"}, "/api/auth/token": None}
    with gateway.client() as client, ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: client.post(path, json=bodies[path], headers=headers), range(20))
        )
    passed = [answer for answer in answers if answer.is_success]
    assert len(passed) == 1
    for answer in answers:
        if answer is not passed[0]:
            refused(answer, 401, "signature_spent")
    assert spent(gateway, wallet) == 1


def test_messages_that_come_together_are_told_apart(gateway: RunningGateway) -> None:
    wallets = [Wallet() for _ in range(6)]
    headers = [wallet.headers() for wallet in wallets] * 5
    with gateway.client() as client, ThreadPoolExecutor(30) as pool:
        answers = list(
            pool.map(lambda one: client.post(CREATE, json={"name": "one"}, headers=one), headers)
        )
    for number, wallet in enumerate(wallets):
        passed = [answer for answer in answers[number :: len(wallets)] if answer.is_success]
        assert len(passed) == 1
        assert spent(gateway, wallet) == 1


REFUSALS = [
    ("POST", "/api/admin/keys", {"name": "n", "tenant": "t"}, 403),
    ("POST", "/api/admin/tenants", {"name": "t"}, 403),
    ("DELETE", "/api/admin/keys/abc", None, 403),
    ("POST", "/api/keys", {"name": ""}, 422),
    ("POST", "/api/keys", {"name": "n", "scopes": ["admin"]}, 403),
    ("POST", "/api/keys/abc/rotate", None, 404),
    ("DELETE", "/api/keys/abc", None, 404),
    ("POST", "/api/nothing", {}, 404),
    ("PUT", "/api/keys", {}, 405),
    ("POST", "/api/auth/token", {"scopes": ["admin"]}, 403),
    ("POST", "/api/auth/token", {"expires_in": 1}, 422),
    ("POST", f"{MLFLOW}/no/such/route", {}, 404),
    ("POST", f"{MLFLOW}/users/create", {"username": "u", "password": "p"}, 404),
    ("POST", CREATE, {"name": "x", "artifact_location": "s3://elsewhere"}, 400),
    ("PUT", CREATE, {"name": "x"}, 405),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSALS)
def test_what_the_gateway_refuses_itself_uses_no_message_up(
    gateway: RunningGateway,
    client: httpx.Client,
    method: str,
    path: str,
    body: dict[str, object] | None,
    status: int,
) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    answer = client.request(method, path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert spent(gateway, wallet) == 0
    good(client.post(CREATE, json={"name": "x"}, headers=headers))


def test_a_limit_uses_no_message_up(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    with (
        RunningGateway(new_database(), mlflow_server.url, rate_limit=1) as running,
        running.client() as client,
    ):
        good(client.get(WHOAMI, headers=headers))
        refused(client.post(CREATE, json={"name": "x"}, headers=headers), 429, "rate_limited")
        refused(client.post("/api/keys", json={"name": "x"}, headers=headers), 429, "rate_limited")
        assert spent(running, wallet) == 0


@pytest.mark.parametrize("seconds", [-290, 0, 50])
def test_a_message_within_the_window_is_taken(client: httpx.Client, seconds: float) -> None:
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


def test_a_message_signed_ahead_stays_spent_until_it_is_stale(
    gateway: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    headers = wallet.headers(50)
    good(client.post(CREATE, json={"name": "x"}, headers=headers))
    statement = (
        "select extract(epoch from expires_at - now()) from spent_signatures where address = %s"
    )
    ((left,),) = sql(gateway, statement, wallet.address)
    # The window back, from the time in the message: 300 s after 50 s ahead.
    assert 320 < left <= 350


def with_signature(change: Callable[[bytes], bytes | str]) -> Callable[[dict[str, str]], None]:
    def apply(headers: dict[str, str]) -> None:
        changed = change(bytes.fromhex(headers["X-ETH-Signature"]))
        headers["X-ETH-Signature"] = changed if isinstance(changed, str) else changed.hex()

    return apply


def high_s(raw: bytes) -> bytes:
    """The signature's twin, which recovers to the same address."""
    s = ORDER - int.from_bytes(raw[32:64], "big")
    return raw[:32] + s.to_bytes(32, "big") + bytes([55 - raw[64]])


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
    "too short": with_signature(lambda raw: raw[:64]),
    "too long": with_signature(lambda raw: raw + b"\0"),
    "all zeros": with_signature(lambda _: bytes(64) + b"\x1b"),
    "all ones": with_signature(lambda _: b"\xff" * 64 + b"\x1b"),
    "v of 0 and 1": with_signature(lambda raw: raw[:64] + bytes([raw[64] - 27])),
    "v of EIP-155": with_signature(lambda raw: raw[:64] + bytes([raw[64] + 10])),
    "v of 29": with_signature(lambda raw: raw[:64] + b"\x1d"),
    "high s": with_signature(high_s),
    "other v": with_signature(lambda raw: raw[:64] + bytes([55 - raw[64]])),
    "EIP-2098 form": with_signature(lambda raw: raw[:64]),
    "0x twice": with_signature(lambda raw: "0x0x" + raw.hex()),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_each_malformed_header_is_refused_with_a_reason_and_no_trace(
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
