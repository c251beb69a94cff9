"""A message that a wallet signs authorises one change."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.standalone.mlflow import ChildMLflow
from tests.access.identity.conftest import Pair
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
MLFLOW = "/api/mlflow/api/2.0/mlflow"
SEARCH = f"{MLFLOW}/experiments/search"
CREATE = f"{MLFLOW}/experiments/create"


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client() as anonymous:
        yield anonymous


def consumed(gateway: RunningGateway, wallet: Wallet) -> int:
    """The number of consumed messages of a wallet."""
    statement = "select count(*) from spent_signatures where address = %s"
    ((number,),) = sql(gateway, statement, wallet.address)
    return int(number)


def test_a_message_authorises_any_number_of_reads(
    gateway: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    for _ in range(3):
        good(client.get(SEARCH, params={"max_results": 1}, headers=headers))
        # A search by POST changes nothing either.
        good(client.post(SEARCH, json={"max_results": 1}, headers=headers))
        good(client.get("/api/keys", headers=headers))
    assert consumed(gateway, wallet) == 0
    good(client.post(CREATE, json={"name": "x"}, headers=headers))
    good(client.get(SEARCH, params={"max_results": 1}, headers=headers))
    assert consumed(gateway, wallet) == 1


def test_a_message_authorises_one_change(gateway: RunningGateway, client: httpx.Client) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    good(client.post(CREATE, json={"name": "first"}, headers=headers))
    again = client.post(CREATE, json={"name": "second"}, headers=headers)
    assert "already authorised a change" in refused(again, 401, "signature_spent")["message"]
    # The body was read, so the connection stays open for the next request.
    assert again.headers.get("connection") != "close"
    # Another form of the same address and signature makes no difference.
    variant = {
        **headers,
        "X-ETH-Address": wallet.address.lower(),
        "X-ETH-Signature": "0x" + headers["X-ETH-Signature"].upper(),
    }
    refused(client.post("/api/keys", json={"name": "n"}, headers=variant), 401, "signature_spent")
    refused(client.post("/api/auth/token", headers=headers), 401, "signature_spent")
    good(client.post(CREATE, json={"name": "second"}, headers=wallet.headers()))
    assert consumed(gateway, wallet) == 2


def test_two_wallets_may_sign_the_same_message(client: httpx.Client) -> None:
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
def test_concurrent_uses_of_a_message_authorise_one_change(
    gateway: RunningGateway, path: str
) -> None:
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
    assert consumed(gateway, wallet) == 1


def test_messages_in_one_batch_are_consumed_independently(gateway: RunningGateway) -> None:
    wallets = [Wallet() for _ in range(6)]
    headers = [wallet.headers() for wallet in wallets] * 5
    with gateway.client() as client, ThreadPoolExecutor(30) as pool:
        answers = list(
            pool.map(lambda one: client.post(CREATE, json={"name": "one"}, headers=one), headers)
        )
    for number, wallet in enumerate(wallets):
        passed = [answer for answer in answers[number :: len(wallets)] if answer.is_success]
        assert len(passed) == 1
        assert consumed(gateway, wallet) == 1


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
def test_a_request_that_the_gateway_refuses_consumes_no_message(
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
    assert consumed(gateway, wallet) == 0
    good(client.post(CREATE, json={"name": "x"}, headers=headers))


def test_a_rate_limited_request_consumes_no_message(
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
        assert consumed(running, wallet) == 0


def test_a_message_dated_ahead_is_remembered_until_it_is_stale(
    gateway: RunningGateway, client: httpx.Client
) -> None:
    wallet = Wallet()
    headers = wallet.headers(50)
    good(client.post(CREATE, json={"name": "x"}, headers=headers))
    statement = (
        "select extract(epoch from expires_at - now()) from spent_signatures where address = %s"
    )
    ((left,),) = sql(gateway, statement, wallet.address)
    # 300 seconds from the time in the message, which is 50 seconds ahead.
    assert 320 < left <= 350


def test_a_message_authorises_one_change_across_gateways(pair: Pair) -> None:
    one, other = (gateway.client() for gateway in pair)
    headers = Wallet().headers()
    good(one.post("/api/keys", json={"name": "first"}, headers=headers), 201)
    again = other.post("/api/keys", json={"name": "second"}, headers=headers)
    refused(again, 401, "signature_spent")
    write = "/api/mlflow/api/2.0/mlflow/experiments/create"
    refused(other.post(write, json={"name": "x"}, headers=headers), 401, "signature_spent")
    # It still authenticates the caller.
    good(other.get(WHOAMI, headers=headers))
    one.close()
    other.close()
