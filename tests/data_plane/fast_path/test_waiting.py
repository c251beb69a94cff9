"""The fast path: waiting for a connection to MLflow, and for Redis to count."""

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
from tests.data_plane.fast_path.harness import (
    FastPathHarness,
    MLflowRequest,
    StartHarness,
    echo,
    ok,
    remaining,
)
from tests.support.raw_http import RawConnection
from tests.support.redis import RunningRedis
from tests.support.waiting import until, wait_until


@dataclass
class Blocker:
    """Holds responses to requests named `held` until `release` is set."""

    release: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, request: MLflowRequest) -> None:
        if request.name == b"held":
            await until(self.release.is_set)
        await request.connection.send(ok(request.name))


def test_above_its_share_a_tenant_waits_and_others_do_not(start_harness: StartHarness) -> None:
    blocker = Blocker()
    harness = start_harness(blocker, upstream_connections=4, upstream_pool_timeout=0.3)
    other = harness.gateway.key()
    harness.warm_up(other)
    with harness.connect() as one, harness.connect() as two:
        for connection in (one, two):
            connection.send(harness.get("held"))
        wait_until(lambda: len(harness.mlflow.requests) == 2)
        response = harness.send(harness.get("a"))
        assert (response.status, response.document["reason"]) == (503, "upstream_busy")
        assert "one caller" in response.document["message"]
        harness.warm_up(other)
        assert harness.send(harness.get("b", key=other)).body == b"b"
        blocker.release.set()
        assert [one.read_response().body, two.read_response().body] == [b"held"] * 2
    assert harness.send(harness.get("c")).body == b"c"
    wait_until(harness.is_idle)


@contextmanager
def all_connections_in_use(
    start_harness: StartHarness, **settings: Any
) -> Iterator[tuple[FastPathHarness, Blocker]]:
    """A gateway with both connections to MLflow in use, until the blocker is released."""
    blocker = Blocker()
    harness = start_harness(blocker, upstream_connections=2, upstream_tenant_share=1, **settings)
    with harness.connect() as one, harness.connect() as two:
        for connection in (one, two):
            connection.send(harness.get("held"))
        wait_until(lambda: len(harness.mlflow.requests) == 2)
        try:
            yield harness, blocker
        finally:
            blocker.release.set()
        assert [one.read_response().body, two.read_response().body] == [b"held"] * 2
    wait_until(harness.is_idle)


def wait_for_queue(harness: FastPathHarness, number: int) -> None:
    """Wait until this number of requests waits for a connection to MLflow."""
    wait_until(lambda: harness.pool.usage().waiting == number)


def test_waiting_requests_on_the_fast_path_are_served_in_order(start_harness: StartHarness) -> None:
    names = [f"n{number}" for number in range(8)]
    with ExitStack() as stack, all_connections_in_use(start_harness) as (harness, blocker):
        connections = [stack.enter_context(harness.connect()) for _ in names]
        for number, (connection, name) in enumerate(zip(connections, names, strict=True)):
            connection.send(harness.get(name))
            wait_for_queue(harness, number + 1)
        blocker.release.set()
        assert [connection.read_response().body.decode() for connection in connections] == names
        assert harness.handled == [True] * 10
        assert [request.name.decode() for request in harness.mlflow.requests[2:]] == names


def test_a_client_that_disconnects_while_waiting_leaves_the_queue(
    start_harness: StartHarness,
) -> None:
    with all_connections_in_use(start_harness) as (harness, blocker):
        with harness.connect() as connection:
            connection.send(harness.get("gone"))
            wait_for_queue(harness, 1)
        wait_for_queue(harness, 0)
        with harness.connect() as connection:
            connection.send(harness.get("a"))
            wait_for_queue(harness, 1)
            blocker.release.set()
            assert connection.read_response().body == b"a"
        assert [request.name for request in harness.mlflow.requests[2:]] == [b"a"]
        harness.wait_for_count(1, status=0)


def test_a_request_keeps_its_place_when_others_are_pipelined_behind_it(
    start_harness: StartHarness,
) -> None:
    with all_connections_in_use(start_harness) as (harness, blocker):
        with harness.connect() as connection, harness.connect() as last:
            connection.send(harness.get("a"))
            wait_for_queue(harness, 1)
            last.send(harness.get("last"))
            wait_for_queue(harness, 2)
            connection.send(harness.get("b") + harness.get("c"))
            # It continues on the ASGI path, and keeps its place in the queue.
            harness.wait_for_asgi_path()
            blocker.release.set()
            assert [connection.read_response().body for _ in "abc"] == [b"a", b"b", b"c"]
            assert last.read_response().body == b"last"
        assert [request.name for request in harness.mlflow.requests[2:4]] == [b"a", b"last"]
        assert sorted(request.name for request in harness.mlflow.requests[4:]) == [b"b", b"c"]


def test_a_client_that_disconnects_with_a_request_pipelined_behind_a_waiting_one(
    start_harness: StartHarness,
) -> None:
    with all_connections_in_use(start_harness) as (harness, blocker):
        with harness.connect() as connection:
            connection.send(harness.get("a"))
            wait_for_queue(harness, 1)
            connection.send(harness.get("b"))
        wait_for_queue(harness, 0)
        blocker.release.set()
        assert harness.send(harness.get("c")).body == b"c"
        assert [request.name for request in harness.mlflow.requests[2:]] == [b"c"]


def test_waiting_too_long_gives_503(start_harness: StartHarness) -> None:
    with all_connections_in_use(start_harness, upstream_pool_timeout=0.3) as (harness, _):
        before = remaining(harness.send(harness.get("a")))
        response = harness.send(harness.get("b"))
        assert (response.status, response.document["reason"]) == (503, "upstream_busy")
        assert remaining(response) == before - 1
        harness.wait_for_count(2, status=503)


def test_an_unreachable_mlflow_gives_502(start_harness: StartHarness) -> None:
    async def leave(request: MLflowRequest) -> None:
        assert harness.mlflow.server is not None
        harness.mlflow.server.stop_listening()
        request.connection.reset()

    harness = start_harness(leave)
    for name in "ab":  # the first loses its connection, the second cannot open one
        response = harness.send(harness.get(name))
        assert (response.status, response.document["reason"]) == (502, "upstream_unreachable")
    harness.wait_for_count(2, status=502)
    wait_until(harness.is_idle)


# --- counting in Redis ---


@pytest.fixture
def redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningRedis]:
    """A Redis, and a timeout for it that is never reached."""
    monkeypatch.setattr(redis_counter, "REDIS_SECONDS", 60.0)
    with RunningRedis(tmp_path) as running:
        yield running


def test_redis_counts_requests_on_the_fast_path(
    start_harness: StartHarness, redis: RunningRedis
) -> None:
    harness = start_harness(echo, limit=12, redis_url=SecretStr(redis.url))
    left = remaining(harness.send(harness.get("first")))
    with ThreadPoolExecutor(20) as pool:
        responses = list(
            pool.map(lambda _: harness.send_on_either_path(harness.get("a")), range(20))
        )
    passed = [response for response in responses if response.status == 200]
    assert sorted(map(remaining, passed)) == list(range(left))
    assert {response.body for response in passed} == {b"a"}
    refused = [response for response in responses if response.status != 200]
    assert {(response.status, response.document["reason"]) for response in refused} == {
        (429, "rate_limited")
    }
    assert len(harness.mlflow.requests) == 1 + left
    assert len(refused) == 20 - left
    harness.wait_for_count(len(refused), status=429)
    assert False not in harness.handled
    wait_until(harness.is_idle)


@contextmanager
def waiting_for_redis(
    start_harness: StartHarness, redis: RunningRedis
) -> Iterator[tuple[FastPathHarness, RawConnection]]:
    """A gateway with a paused Redis, and a connection whose request `a` waits for it."""
    harness = start_harness(echo, redis_url=SecretStr(redis.url))
    redis.pause()
    with harness.connect() as connection:
        connection.send(harness.get("a"))
        wait_until(lambda: harness.handled == [True])
        yield harness, connection


def test_a_client_that_disconnects_while_redis_counts(
    start_harness: StartHarness, redis: RunningRedis
) -> None:
    with waiting_for_redis(start_harness, redis) as (harness, _):
        pass
    wait_until(lambda: not harness.cycles)
    redis.resume()
    harness.wait_for_count(1, status=0)
    assert harness.send(harness.get("b")).body == b"b"
    assert [request.name for request in harness.mlflow.requests] == [b"b"]
    wait_until(harness.is_idle)


def test_requests_pipelined_behind_one_that_redis_counts(
    start_harness: StartHarness, redis: RunningRedis
) -> None:
    with waiting_for_redis(start_harness, redis) as (harness, connection):
        connection.send(harness.get("b") + harness.get("c"))
        harness.wait_for_asgi_path()
        redis.resume()
        responses = [connection.read_response() for _ in "abc"]
    assert [response.body for response in responses] == [b"a", b"b", b"c"]
    counts = [remaining(response) for response in responses]
    assert counts == list(range(counts[0], counts[0] - 3, -1))
    wait_until(harness.is_idle)


def test_a_client_that_disconnects_with_requests_pipelined_behind_one_that_redis_counts(
    start_harness: StartHarness, redis: RunningRedis
) -> None:
    with waiting_for_redis(start_harness, redis) as (harness, connection):
        connection.send(harness.get("b"))
        harness.wait_for_asgi_path()
    # The gateway reads nothing from this client meanwhile, so it may not notice the end first.
    redis.resume()
    assert harness.send(harness.get("c")).body == b"c"
    wait_until(lambda: not harness.cycles)
    wait_until(harness.is_idle)


def test_an_unreachable_redis_refuses_no_request(
    start_harness: StartHarness, redis: RunningRedis
) -> None:
    harness = start_harness(echo, redis_url=SecretStr(redis.url))
    redis.kill()
    for name in ("a", "b"):
        assert harness.send(harness.get(name)).body == name.encode()
    wait_until(harness.is_idle)
