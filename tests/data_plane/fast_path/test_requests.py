"""The fast path: requests, and clients that disconnect."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from app.core.request.principal import Scope
from tests.data_plane.fast_path.harness import (
    POST,
    TRACEPARENT,
    MLflowRequest,
    StartHarness,
    echo,
    ok,
    remaining,
)
from tests.support.raw_http import RawResponse
from tests.support.sql import locked, sql
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet


def test_a_client_that_disconnects_ends_the_request_at_mlflow(start_harness: StartHarness) -> None:
    harness = start_harness(lambda request: request.connection.wait_closed())
    with harness.connect() as connection:
        connection.send(harness.get("a"))
        wait_until(lambda: harness.mlflow.requests)
    wait_until(lambda: harness.mlflow.closed_connections)
    harness.wait_for_count(1, status=0)
    assert harness.handled == [True]
    wait_until(harness.is_idle)


def test_a_client_that_disconnects_with_pipelined_requests(start_harness: StartHarness) -> None:
    harness = start_harness(lambda request: request.connection.wait_closed())
    with harness.connect() as connection:
        connection.send(harness.get("a") + harness.get("b"))
        wait_until(lambda: harness.mlflow.requests)
    harness.wait_for_count(1, status=0)
    wait_until(harness.is_idle)
    assert [request.name for request in harness.mlflow.requests] == [b"a"]
    assert harness.handled == [True]


def test_a_body_in_two_segments(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    raw = harness.post("split")
    with harness.connect() as connection:
        connection.send(raw[:-5])
        wait_until(lambda: any(cycle and not cycle.response_complete for cycle in harness.cycles))
        connection.send(raw[-5:])
        assert json.loads(connection.read_response().body) == {"name": "split"}
        assert harness.handled == []
        connection.send(harness.post("whole"))
        assert json.loads(connection.read_response().body) == {"name": "whole"}
    assert harness.handled == [True]


@pytest.mark.parametrize("garbage", [b"\0\0\0\0", b"garbage\r\n\r\n", b"GET  /\r\n\r\n"])
def test_bytes_after_a_body_are_not_part_of_it(start_harness: StartHarness, garbage: bytes) -> None:
    async def slow(request: MLflowRequest) -> None:
        await asyncio.sleep(0.05)
        await request.connection.send(ok(request.body))

    harness = start_harness(slow)
    with harness.connect() as connection:
        connection.send(harness.post("a") + garbage)
        statuses = []
        with suppress(EOFError):
            while True:
                statuses.append(connection.read_response().status)
        assert connection.take_unread() == b""
    # At most one error response on the connection, and no second request at MLflow.
    assert statuses in ([], [400], [200, 400], [200])
    assert all(request.body == b'{"name": "a"}' for request in harness.mlflow.requests)
    assert len(harness.mlflow.requests) <= 1
    wait_until(harness.is_idle)


def test_connection_close_and_http_1_0(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    for raw in (
        harness.get("a", "Connection: close"),
        harness.get("a").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        with harness.connect() as connection:
            connection.send(raw)
            response = connection.read_response()
            assert (response.headers["connection"], response.body) == ("close", b"a")
            assert connection.closed_by_gateway
    assert harness.handled == []


def test_expect_continue(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    raw = harness.post("a", "Expect: 100-continue")
    with harness.connect() as connection:
        connection.send(raw[:-13])
        assert connection.read_response().status == 100
        connection.send(raw[-13:])
        assert json.loads(connection.read_response().body) == {"name": "a"}
    assert harness.handled == []


def test_a_chunked_request(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    for extra in ([], ["Content-Length: 5"]):
        with harness.connect() as connection:
            head = ["Transfer-Encoding: chunked", *extra]
            body = b'd\r\n{"name": "a"}\r\n0\r\n\r\n'
            connection.send(harness.raw("POST", POST, *head, body=body) + harness.get("b"))
            response = connection.read_response()
            if extra:
                assert response.status == 400
                continue
            assert json.loads(response.body) == {"name": "a"}
            assert connection.read_response().body == b"b"
    assert True not in harness.handled
    assert len(harness.mlflow.requests) == 2


def test_a_limit_is_exact_under_concurrency(start_harness: StartHarness) -> None:
    harness = start_harness(echo, limit=30)
    left = remaining(harness.send(harness.get("warm")))
    before = len(harness.handled)

    def one(number: int) -> RawResponse:
        with harness.connect() as connection:
            connection.send(harness.get(str(number)))
            return connection.read_response()

    with ThreadPoolExecutor(50) as pool:
        responses = list(pool.map(one, range(50)))
    statuses = [response.status for response in responses]
    assert sorted(statuses) == [200] * left + [429] * (50 - left)
    assert True in harness.handled[before:]
    passed = [response for response in responses if response.status == 200]
    assert sorted(map(remaining, passed)) == list(range(left))
    assert len(harness.mlflow.requests) == left
    wait_until(harness.is_idle)
    assert harness.send(harness.get("a")).status == 429


def test_no_response_reaches_another_connection(start_harness: StartHarness) -> None:
    async def jumble(request: MLflowRequest) -> None:
        await asyncio.sleep(hash(request.name) % 5 / 1000)
        await request.connection.send(ok(request.name))

    harness = start_harness(jumble)

    def talk(number: int) -> None:
        with harness.connect() as connection:
            for turn in range(20):
                name = f"{number}-{turn}"
                connection.send(harness.get(name))
                assert connection.read_response().body == name.encode()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(talk, range(20)))
    assert harness.handled.count(True) > 200
    wait_until(harness.is_idle)


def test_a_refused_request_does_not_renew_an_idle_connection(start_harness: StartHarness) -> None:
    """MLflow closes a connection that was idle too long, so its idle time must be right."""
    harness = start_harness(echo, limit=5)
    while remaining(harness.send(harness.get("warm"))):
        pass
    age = dict(harness.pool._idle)
    assert harness.send(harness.get("a")).status == 429
    assert dict(harness.pool._idle) == age


def test_a_revoked_key(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    admin = harness.gateway.key(scopes=[Scope.ADMIN])
    assert harness.send(harness.get("a")).status == 200
    found = sql(harness.gateway, "select id from api_keys where parent is null order by created_at")
    with harness.gateway.client(admin) as http:
        assert http.delete(f"/api/admin/keys/{found[0][0]}").status_code == 204

    def refused() -> bool:
        with harness.connect() as connection:
            connection.send(harness.get("a"))
            return connection.read_response().status == 401

    wait_until(refused)  # the database notifies the gateway of the revocation
    harness.mlflow.requests.clear()
    assert harness.send(harness.get("a"), fast=False).status == 401
    assert harness.mlflow.requests == []


def test_the_access_log_has_one_line_for_each_request(
    start_harness: StartHarness, capfd: pytest.CaptureFixture[str]
) -> None:
    async def some(request: MLflowRequest) -> None:
        status = b"404 No" if request.name == b"none" else b"200 OK"
        await request.connection.send(ok(b"{}", status=status))

    harness = start_harness(some, access_log="all")
    for name in ("a", "none"):
        harness.send(harness.get(name, f"X-Request-ID: id-{name}"))
    lines: list[str] = []

    def logged() -> bool:
        captured = capfd.readouterr()
        lines.extend((captured.out + captured.err).splitlines())
        return any("id-none" in line for line in lines)

    wait_until(logged)
    for name, status in (("a", 200), ("none", 404)):
        (line,) = [json.loads(line) for line in lines if f'"id-{name}"' in line]
        assert (line["event"], line["status"]) == ("request", status)
        assert line["principal"]


def test_a_shutdown_lets_a_request_on_the_fast_path_finish(start_harness: StartHarness) -> None:
    go = threading.Event()

    async def held(request: MLflowRequest) -> None:
        await asyncio.to_thread(go.wait, 30)
        await request.connection.send(ok(request.name))

    harness = start_harness(held)
    with harness.connect() as connection:
        connection.send(harness.get("a"))
        wait_until(lambda: harness.mlflow.requests)
        harness.gateway._server.stop()
        wait_until(lambda: not harness.gateway._server.servers[0].is_serving())
        (cycle,) = harness.cycles
        wait_until(lambda: not cycle.keep_alive)
        go.set()
        response = connection.read_response()
        assert (response.status, response.body, response.headers["connection"]) == (
            200,
            b"a",
            "close",
        )
        assert connection.closed_by_gateway
    assert harness.handled == [True]


def test_response_and_upstream_headers_of_the_request_lifecycle(
    start_harness: StartHarness,
) -> None:
    harness = start_harness(echo, cors_origins="https://app.example")
    response = harness.send(
        harness.get(
            "a", "Origin: https://app.example", f"Traceparent: {TRACEPARENT}", "X-Request-ID: mine"
        )
    )
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    assert response.headers["x-request-id"] == "mine"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "date" in response.headers
    head = harness.mlflow.requests[0].head
    assert f"traceparent: {TRACEPARENT}\r\n".encode() in head
    assert b"x-request-id: mine\r\n" in head
    assert b"authorization" not in head
    assert (
        "access-control-allow-origin"
        not in harness.send(harness.get("a", "Origin: https://x")).headers
    )


def signed(wallet: Wallet) -> list[str]:
    return [f"{name}: {value}" for name, value in wallet.headers().items()]


def test_a_signed_message_is_valid_for_many_reads_and_one_write(
    start_harness: StartHarness,
) -> None:
    harness = start_harness(echo)
    lines = signed(Wallet())
    for name in ("first", "second"):
        assert harness.send(harness.get(name, *lines)).body == name.encode()
    assert json.loads(harness.send(harness.post("third", *lines)).body) == {"name": "third"}
    for _ in range(2):
        response = harness.send(harness.post("again", *lines))
        assert (response.status, response.document["reason"]) == (401, "signature_spent")
    assert len(harness.mlflow.requests) == 3
    registry = harness.gateway.app.fast_path.lifecycle.metrics.registry
    labels = {"reason": "signature_spent"}
    name = "hokusai_authentication_failures_total"
    wait_until(lambda: registry.get_sample_value(name, labels) == 2)
    wait_until(harness.is_idle)


def test_wallets_count_on_their_address_once_on_either_path(start_harness: StartHarness) -> None:
    harness = start_harness(echo, limit=1000, rate_limit=3, wallet_address_limit=10)
    greedy = signed(Wallet())
    statuses = [harness.send(harness.get("a", *greedy)).status for _ in range(5)]
    assert statuses == [200] * 3 + [429] * 2
    # The five have been counted on the address, also those that the wallet's own limit refused.
    for _ in range(5):
        with harness.gateway.client(**Wallet().headers()) as asgi_path:
            assert asgi_path.get("/api/auth/whoami").status_code == 200
    refused = harness.send(harness.get("b", *signed(Wallet())))
    assert (refused.status, refused.document["reason"]) == (429, "rate_limited")
    assert refused.headers["ratelimit-limit"] == "10"
    assert harness.send(harness.get("key")).body == b"key"
    wait_until(harness.is_idle)


def test_a_signed_message_sent_many_times_at_once_writes_once(start_harness: StartHarness) -> None:
    harness = start_harness(echo)
    request = harness.post("once", *signed(Wallet()))
    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda _: harness.send_on_either_path(request), range(20)))
    assert sorted(response.status for response in responses) == [200] + 19 * [401]
    assert len(harness.mlflow.requests) == 1
    assert harness.handled == 20 * [True]
    wait_until(harness.is_idle)


def test_requests_pipelined_behind_one_whose_signature_is_being_recorded(
    start_harness: StartHarness,
) -> None:
    harness = start_harness(echo)
    with harness.connect() as connection:
        with locked(harness.gateway, "spent_signatures"):
            connection.send(harness.post("a", *signed(Wallet())))
            wait_until(lambda: harness.handled == [True])
            connection.send(harness.get("b") + harness.get("c"))
            harness.wait_for_asgi_path()
        responses = [connection.read_response().body for _ in "abc"]
    assert (json.loads(responses[0]), responses[1:]) == ({"name": "a"}, [b"b", b"c"])
    wait_until(harness.is_idle)
