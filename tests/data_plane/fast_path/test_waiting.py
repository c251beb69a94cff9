"""Waiting on the short way, for a connection to MLflow and for Redis to count."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app.access.rate_limits import redis_counter
from tests.data_plane.fast_path.harness import Asked, Front, Open, echo, ok, remaining
from tests.support.redis import RunningRedis
from tests.support.waiting import until, wait_until
from tests.support.wire import Wire


@dataclass
class Holding:
    """Keeps requests for `held` unanswered until it is told to go on."""

    go_on: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, asked: Asked) -> None:
        if asked.name == b"held":
            await until(self.go_on.is_set)
        await asked.connection.send(ok(asked.name))


def test_above_its_share_a_tenant_waits_and_others_do_not(front: Open) -> None:
    holding = Holding()
    gate = front(holding, upstream_connections=4, upstream_pool_timeout=0.3)
    other = gate.gateway.key()
    gate.warm(other)
    with gate.wire() as one, gate.wire() as two:
        for wire in (one, two):
            wire.send(gate.get("held"))
        wait_until(lambda: len(gate.mlflow.asked) == 2)
        answer = gate.ask(gate.get("a"))
        assert (answer.status, answer.document["reason"]) == (503, "upstream_busy")
        assert "one caller" in answer.document["message"]
        gate.warm(other)
        assert gate.ask(gate.get("b", key=other)).body == b"b"
        holding.go_on.set()
        assert [one.answer().body, two.answer().body] == [b"held"] * 2
    assert gate.ask(gate.get("c")).body == b"c"
    wait_until(gate.whole)


@contextmanager
def full(front: Open, **settings: Any) -> Iterator[tuple[Front, Holding]]:
    """A gateway with both connections to MLflow in use, until the holding goes on."""
    holding = Holding()
    gate = front(holding, upstream_connections=2, upstream_tenant_share=1, **settings)
    with gate.wire() as one, gate.wire() as two:
        for wire in (one, two):
            wire.send(gate.get("held"))
        wait_until(lambda: len(gate.mlflow.asked) == 2)
        try:
            yield gate, holding
        finally:
            holding.go_on.set()
        assert [one.answer().body, two.answer().body] == [b"held"] * 2
    wait_until(gate.whole)


def waiting(gate: Front, number: int) -> None:
    """Wait until so many requests wait for a connection to MLflow."""
    wait_until(lambda: gate.pool.usage().waiting == number)


def test_who_waits_on_the_short_way_is_served_in_order(front: Open) -> None:
    names = [f"n{number}" for number in range(8)]
    with ExitStack() as stack, full(front) as (gate, holding):
        wires = [stack.enter_context(gate.wire()) for _ in names]
        for number, (wire, name) in enumerate(zip(wires, names, strict=True)):
            wire.send(gate.get(name))
            waiting(gate, number + 1)
        holding.go_on.set()
        assert [wire.answer().body.decode() for wire in wires] == names
        assert gate.taken == [True] * 10
        assert [asked.name.decode() for asked in gate.mlflow.asked[2:]] == names


def test_who_leaves_while_waiting_gives_the_place_up(front: Open) -> None:
    with full(front) as (gate, holding):
        with gate.wire() as wire:
            wire.send(gate.get("gone"))
            waiting(gate, 1)
        waiting(gate, 0)
        with gate.wire() as wire:
            wire.send(gate.get("a"))
            waiting(gate, 1)
            holding.go_on.set()
            assert wire.answer().body == b"a"
        assert [asked.name for asked in gate.mlflow.asked[2:]] == [b"a"]
        gate.counted(1, status=0)


def test_a_request_behind_one_that_waits_keeps_its_place(front: Open) -> None:
    with full(front) as (gate, holding):
        with gate.wire() as wire, gate.wire() as last:
            wire.send(gate.get("a"))
            waiting(gate, 1)
            last.send(gate.get("last"))
            waiting(gate, 2)
            wire.send(gate.get("b") + gate.get("c"))
            # It goes on on the ordinary way, in the place that it has.
            gate.handed_over()
            holding.go_on.set()
            assert [wire.answer().body for _ in "abc"] == [b"a", b"b", b"c"]
            assert last.answer().body == b"last"
        assert [asked.name for asked in gate.mlflow.asked[2:4]] == [b"a", b"last"]
        assert sorted(asked.name for asked in gate.mlflow.asked[4:]) == [b"b", b"c"]


def test_who_leaves_with_a_request_behind_one_that_waits(front: Open) -> None:
    with full(front) as (gate, holding):
        with gate.wire() as wire:
            wire.send(gate.get("a"))
            waiting(gate, 1)
            wire.send(gate.get("b"))
        waiting(gate, 0)
        holding.go_on.set()
        assert gate.ask(gate.get("c")).body == b"c"
        assert [asked.name for asked in gate.mlflow.asked[2:]] == [b"c"]


def test_who_has_waited_too_long_gets_503(front: Open) -> None:
    with full(front, upstream_pool_timeout=0.3) as (gate, _):
        before = remaining(gate.ask(gate.get("a")))
        answer = gate.ask(gate.get("b"))
        assert (answer.status, answer.document["reason"]) == (503, "upstream_busy")
        assert remaining(answer) == before - 1
        gate.counted(2, status=503)


def test_an_mlflow_that_is_away_gives_502(front: Open) -> None:
    async def leave(asked: Asked) -> None:
        assert gate.mlflow.server is not None
        gate.mlflow.server.stop_listening()
        asked.connection.reset()

    gate = front(leave)
    for name in "ab":  # the first loses its connection, the second finds none
        answer = gate.ask(gate.get(name))
        assert (answer.status, answer.document["reason"]) == (502, "upstream_unreachable")
    gate.counted(2, status=502)
    wait_until(gate.whole)


# --- counting in Redis ---


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningRedis]:
    """A Redis that is waited for however long it takes."""
    monkeypatch.setattr(redis_counter, "REDIS_SECONDS", 60.0)
    with RunningRedis(tmp_path) as running:
        yield running


def test_redis_counts_on_the_short_way(front: Open, redis: RunningRedis) -> None:
    gate = front(echo, limit=12, redis_url=SecretStr(redis.url))
    left = remaining(gate.ask(gate.get("first")))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: gate.ask_somehow(gate.get("a")), range(20)))
    passed = [answer for answer in answers if answer.status == 200]
    assert sorted(map(remaining, passed)) == list(range(left))
    assert {answer.body for answer in passed} == {b"a"}
    refused = [answer for answer in answers if answer.status != 200]
    assert {(answer.status, answer.document["reason"]) for answer in refused} == {
        (429, "rate_limited")
    }
    assert len(gate.mlflow.asked) == 1 + left
    assert len(refused) == 20 - left
    gate.counted(len(refused), status=429)
    assert False not in gate.taken
    wait_until(gate.whole)


@contextmanager
def being_counted(front: Open, redis: RunningRedis) -> Iterator[tuple[Front, Wire]]:
    """A gateway, and a connection whose request for `a` waits for Redis, which is paused."""
    gate = front(echo, redis_url=SecretStr(redis.url))
    redis.pause()
    with gate.wire() as wire:
        wire.send(gate.get("a"))
        wait_until(lambda: gate.taken == [True])
        yield gate, wire


def test_who_leaves_while_redis_counts(front: Open, redis: RunningRedis) -> None:
    with being_counted(front, redis) as (gate, _):
        pass
    wait_until(lambda: not gate.cycles)
    redis.resume()
    gate.counted(1, status=0)
    assert gate.ask(gate.get("b")).body == b"b"
    assert [asked.name for asked in gate.mlflow.asked] == [b"b"]
    wait_until(gate.whole)


def test_requests_behind_one_that_redis_counts(front: Open, redis: RunningRedis) -> None:
    with being_counted(front, redis) as (gate, wire):
        wire.send(gate.get("b") + gate.get("c"))
        gate.handed_over()
        redis.resume()
        answers = [wire.answer() for _ in "abc"]
    assert [answer.body for answer in answers] == [b"a", b"b", b"c"]
    counts = [remaining(answer) for answer in answers]
    assert counts == list(range(counts[0], counts[0] - 3, -1))
    wait_until(gate.whole)


def test_who_leaves_with_requests_behind_one_that_redis_counts(
    front: Open, redis: RunningRedis
) -> None:
    with being_counted(front, redis) as (gate, wire):
        wire.send(gate.get("b"))
        gate.handed_over()
    # Nothing is read of such a client, so that it may be served before it is missed.
    redis.resume()
    assert gate.ask(gate.get("c")).body == b"c"
    wait_until(lambda: not gate.cycles)
    wait_until(gate.whole)


def test_a_redis_that_has_gone_refuses_nobody(front: Open, redis: RunningRedis) -> None:
    gate = front(echo, redis_url=SecretStr(redis.url))
    redis.kill()
    for name in ("a", "b"):
        assert gate.ask(gate.get(name)).body == name.encode()
    wait_until(gate.whole)
