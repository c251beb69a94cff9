"""What clients send on the short way, how they leave, and what must not pile up."""

import asyncio
import gc
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from app.core.request.context import RequestContext
from app.core.request.head import RequestLine
from app.core.request.principal import Scope
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.transfer import Transfer
from tests.data_plane.fast_path.harness import (
    POST,
    TRACEPARENT,
    Asked,
    Open,
    echo,
    ok,
    remaining,
)
from tests.support.sql import locked, sql
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet
from tests.support.wire import WireAnswer


def test_a_client_that_leaves_ends_the_request_at_mlflow(front: Open) -> None:
    gate = front(lambda asked: asked.connection.wait_closed())
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.mlflow.asked)
    wait_until(lambda: gate.mlflow.gone)
    gate.counted(1, status=0)
    assert gate.taken == [True]
    assert gate.whole()


def test_a_client_that_leaves_with_more_requests_waiting(front: Open) -> None:
    gate = front(lambda asked: asked.connection.wait_closed())
    with gate.wire() as wire:
        wire.send(gate.get("a") + gate.get("b"))
        wait_until(lambda: gate.mlflow.asked)
    gate.counted(1, status=0)
    wait_until(gate.whole)
    assert [asked.name for asked in gate.mlflow.asked] == [b"a"]
    assert gate.taken == [True]


def test_a_body_in_two_segments(front: Open) -> None:
    gate = front(echo)
    raw = gate.post("split")
    with gate.wire() as wire:
        wire.send(raw[:-5])
        wait_until(lambda: any(cycle and not cycle.response_complete for cycle in gate.cycles))
        wire.send(raw[-5:])
        assert json.loads(wire.answer().body) == {"name": "split"}
        assert gate.taken == []
        wire.send(gate.post("whole"))
        assert json.loads(wire.answer().body) == {"name": "whole"}
    assert gate.taken == [True]


@pytest.mark.parametrize("garbage", [b"\0\0\0\0", b"garbage\r\n\r\n", b"GET  /\r\n\r\n"])
def test_what_follows_a_body_is_no_part_of_it(front: Open, garbage: bytes) -> None:
    async def slow(asked: Asked) -> None:
        await asyncio.sleep(0.05)
        await asked.connection.send(ok(asked.body))

    gate = front(slow)
    with gate.wire() as wire:
        wire.send(gate.post("a") + garbage)
        statuses = []
        with suppress(EOFError):
            while True:
                statuses.append(wire.answer().status)
        assert wire.rest() == b""
    # One connection, one answer that says what was wrong or none; and MLflow saw no second request.
    assert statuses in ([], [400], [200, 400], [200])
    assert all(asked.body == b'{"name": "a"}' for asked in gate.mlflow.asked)
    assert len(gate.mlflow.asked) <= 1
    wait_until(gate.whole)


def test_connection_close_and_http_1_0(front: Open) -> None:
    gate = front(echo)
    for raw in (
        gate.get("a", "Connection: close"),
        gate.get("a").replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        with gate.wire() as wire:
            wire.send(raw)
            answer = wire.answer()
            assert (answer.headers["connection"], answer.body) == ("close", b"a")
            assert wire.ended
    assert gate.taken == []


def test_expect_continue(front: Open) -> None:
    gate = front(echo)
    raw = gate.post("a", "Expect: 100-continue")
    with gate.wire() as wire:
        wire.send(raw[:-13])
        assert wire.answer().status == 100
        wire.send(raw[-13:])
        assert json.loads(wire.answer().body) == {"name": "a"}
    assert gate.taken == []


def test_a_chunked_request(front: Open) -> None:
    gate = front(echo)
    for extra in ([], ["Content-Length: 5"]):
        with gate.wire() as wire:
            head = ["Transfer-Encoding: chunked", *extra]
            body = b'd\r\n{"name": "a"}\r\n0\r\n\r\n'
            wire.send(gate.raw("POST", POST, *head, body=body) + gate.get("b"))
            answer = wire.answer()
            if extra:
                assert answer.status == 400
                continue
            assert json.loads(answer.body) == {"name": "a"}
            assert wire.answer().body == b"b"
    assert True not in gate.taken
    assert len(gate.mlflow.asked) == 2


def test_a_limit_is_exact_under_concurrency(front: Open) -> None:
    gate = front(echo, limit=30)
    left = remaining(gate.ask(gate.get("warm")))
    before = len(gate.taken)

    def one(number: int) -> WireAnswer:
        with gate.wire() as wire:
            wire.send(gate.get(str(number)))
            return wire.answer()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(one, range(50)))
    statuses = [answer.status for answer in answers]
    assert sorted(statuses) == [200] * left + [429] * (50 - left)
    assert True in gate.taken[before:]
    passed = [answer for answer in answers if answer.status == 200]
    assert sorted(map(remaining, passed)) == list(range(left))
    assert len(gate.mlflow.asked) == left
    wait_until(gate.whole)
    assert gate.ask(gate.get("a"), short=False).status == 429


def test_no_answer_crosses_to_another_connection(front: Open) -> None:
    async def jumble(asked: Asked) -> None:
        await asyncio.sleep(hash(asked.name) % 5 / 1000)
        await asked.connection.send(ok(asked.name))

    gate = front(jumble)

    def talk(number: int) -> None:
        with gate.wire() as wire:
            for turn in range(20):
                name = f"{number}-{turn}"
                wire.send(gate.get(name))
                assert wire.answer().body == name.encode()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(talk, range(20)))
    assert gate.taken.count(True) > 200
    wait_until(gate.whole)


def test_a_refused_request_leaves_a_connection_its_age(front: Open) -> None:
    """A connection that nothing was sent on is as old as before: MLflow closes it by its age."""
    gate = front(echo, limit=5)
    while remaining(gate.ask(gate.get("warm"))):
        pass
    age = dict(gate.pool._idle)
    assert gate.ask(gate.get("a"), short=False).status == 429
    assert dict(gate.pool._idle) == age


def test_a_revoked_key(front: Open) -> None:
    gate = front(echo)
    admin = gate.gateway.key(scopes=[Scope.ADMIN])
    assert gate.ask(gate.get("a")).status == 200
    found = sql(gate.gateway, "select id from api_keys where parent is null order by created_at")
    with gate.gateway.client(admin) as http:
        assert http.delete(f"/api/admin/keys/{found[0][0]}").status_code == 204

    def refused() -> bool:
        with gate.wire() as wire:
            wire.send(gate.get("a"))
            return wire.answer().status == 401

    wait_until(refused)  # the word of it comes from the database
    gate.mlflow.asked.clear()
    assert gate.ask(gate.get("a"), short=False).status == 401
    assert gate.mlflow.asked == []


def test_the_access_log_has_one_line_for_each_request(
    front: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    async def some(asked: Asked) -> None:
        status = b"404 No" if asked.name == b"none" else b"200 OK"
        await asked.connection.send(ok(b"{}", status=status))

    gate = front(some, access_log="all")
    for name in ("a", "none"):
        gate.ask(gate.get(name, f"X-Request-ID: id-{name}"))
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


def test_a_shutdown_lets_a_short_request_finish(front: Open) -> None:
    go = threading.Event()

    async def held(asked: Asked) -> None:
        await asyncio.to_thread(go.wait, 30)
        await asked.connection.send(ok(asked.name))

    gate = front(held)
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.mlflow.asked)
        gate.gateway._server.end()
        wait_until(lambda: not gate.gateway._server.servers[0].is_serving())
        (cycle,) = gate.cycles
        wait_until(lambda: not cycle.keep_alive)
        go.set()
        answer = wire.answer()
        assert (answer.status, answer.body, answer.headers["connection"]) == (200, b"a", "close")
        assert wire.ended
    assert gate.taken == [True]


def test_headers_of_the_envelope(front: Open) -> None:
    gate = front(echo, cors_origins="https://app.example")
    answer = gate.ask(
        gate.get(
            "a", "Origin: https://app.example", f"Traceparent: {TRACEPARENT}", "X-Request-ID: mine"
        )
    )
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "date" in answer.headers
    head = gate.mlflow.asked[0].head
    assert f"traceparent: {TRACEPARENT}\r\n".encode() in head
    assert b"x-request-id: mine\r\n" in head
    assert b"authorization" not in head
    assert "access-control-allow-origin" not in gate.ask(gate.get("a", "Origin: https://x")).headers


def signed(wallet: Wallet) -> list[str]:
    return [f"{name}: {value}" for name, value in wallet.headers().items()]


def test_a_wallet_reads_with_a_message_often_and_writes_with_it_once(front: Open) -> None:
    gate = front(echo)
    lines = signed(Wallet())
    for name in ("first", "second"):
        assert gate.ask(gate.get(name, *lines)).body == name.encode()
    assert json.loads(gate.ask(gate.post("third", *lines)).body) == {"name": "third"}
    for _ in range(2):
        answer = gate.ask(gate.post("again", *lines))
        assert (answer.status, answer.document["reason"]) == (401, "signature_spent")
    assert len(gate.mlflow.asked) == 3
    registry = gate.gateway.app.fast_path.lifecycle.metrics.registry
    labels = {"reason": "signature_spent"}
    assert registry.get_sample_value("hokusai_authentication_failures_total", labels) == 2
    wait_until(gate.whole)


def test_a_message_that_comes_many_times_at_once_writes_once(front: Open) -> None:
    gate = front(echo)
    request = gate.post("once", *signed(Wallet()))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: gate.ask_somehow(request), range(20)))
    assert sorted(answer.status for answer in answers) == [200] + 19 * [401]
    assert len(gate.mlflow.asked) == 1
    assert gate.taken == 20 * [True]
    wait_until(gate.whole)


def test_requests_behind_one_whose_message_is_being_spent(front: Open) -> None:
    gate = front(echo)
    with gate.wire() as wire:
        with locked(gate.gateway, "spent_signatures"):
            wire.send(gate.post("a", *signed(Wallet())))
            wait_until(lambda: gate.taken == [True])
            wire.send(gate.get("b") + gate.get("c"))
            gate.handed_over()
        answers = [wire.answer().body for _ in "abc"]
    assert (json.loads(answers[0]), answers[1:]) == ({"name": "a"}, [b"b", b"c"])
    wait_until(gate.whole)


# --- what must not pile up ---


def test_a_thousand_that_leave_take_no_connection_with_them(front: Open) -> None:
    gate = front(lambda asked: asked.connection.wait_closed(), upstream_connections=4)

    def leave(_: int) -> None:
        with gate.wire() as wire:
            wire.send(gate.get("warm") + gate.get("leave") * 2)
            wire.answer()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(500)))

    def leave_at_once(_: int) -> None:
        with gate.wire() as wire:
            wire.send(gate.get("leave"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave_at_once, range(500)))
    wait_until(gate.whole)
    assert len(gate.pool._members) <= 4
    gate.warm()


def test_an_idle_connection_keeps_no_body(front: Open) -> None:
    """Thousands of clients may keep their connections, and each has sent something large before."""
    gate = front(echo)
    name = "n" * 50_000
    with gate.wire() as wire:
        wire.send(gate.post(name))
        assert wire.answer().status == 200
        assert gate.taken == [True]
        (cycle,) = gate.cycles
        found, left = [], [cycle]
        while left:
            found += [one for one in left if isinstance(one, bytes)]
            left = [one for one in gc.get_referents(*left) if _is_part(one)]
    assert found
    assert not any(name.encode() in one for one in found)


def _is_part(one: Any) -> bool:
    """Whether it is a part of one request, and no part of the gateway."""
    return isinstance(one, bytes | RequestContext | UpstreamRequest | Transfer | RequestLine)


def test_a_request_leaves_nothing_to_the_garbage_collector(front: Open) -> None:
    gate = front(echo)
    with gate.wire() as wire:

        def ask(times: int) -> None:
            for _ in range(times):
                wire.send(gate.get("a") if _ % 2 else gate.post("b"))
                assert wire.answer().status == 200

        ask(50)
        gc.collect()
        gc.disable()
        try:
            ask(2000)
            gate.mlflow.asked.clear()
            left = gc.collect()
        finally:
            gc.enable()
    assert gate.taken.count(True) == 2050
    assert left < 200
