"""Both counters against a model of what a limit is, with clocks that the tests put forward."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.access.rate_limits.counter import Counter, MemoryCounter, resolve
from app.access.rate_limits.redis_counter import PREFIX, RedisCounter
from app.core.request.quota import Quota
from tests.support.redis import RunningRedis

# A real Redis' own clock runs on as well: a test takes seconds, and a step is half an hour.
STEP = 1800
WINDOW = 2 * STEP + STEP // 2
TOLERANCE = STEP // 4

T = TypeVar("T")


@dataclass
class Step:
    """One request of a history: after how many steps of the clock, on what, and how much it has."""

    after: int
    key: str
    limit: int


@dataclass
class Model:
    """What a limit is, in the plainest words. Windows by key: when it began, and its requests."""

    window: float
    now: float = 0
    windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def hit(self, key: str, limit: int) -> Quota:
        began, count = self.windows.get(key, (self.now - self.window, 0))
        if self.now >= began + self.window:
            began, count = self.now, 0
        allowed = count < limit
        self.windows[key] = (began, count + allowed)
        remaining = max(0, limit - count - allowed)
        return Quota(limit, remaining, began + self.window - self.now, allowed)


HISTORIES = st.lists(
    st.builds(Step, st.integers(0, 4), st.sampled_from("abc"), st.integers(1, 4)), max_size=30
)


@given(HISTORIES)
def test_memory_counts_as_the_model_does(history: list[Step]) -> None:
    # Whole numbers, so that requests also come at the very end of a window.
    model = Model(window=4)
    counter = MemoryCounter(clock=lambda: model.now)

    for step in history:
        model.now += step.after
        expected = model.hit(step.key, step.limit)
        assert counter.hit(step.key, step.limit, 4) == expected


@pytest.mark.usefixtures("patience")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
def test_redis_counts_as_the_model_does(redis: RunningRedis, history: list[Step]) -> None:
    model = Model(window=WINDOW)
    run = uuid.uuid4().hex

    async def play(counter: RedisCounter) -> None:
        for step in history:
            if step.after:
                model.now += step.after * STEP
                redis.pass_time(step.after * STEP)
            expected = model.hit(step.key, step.limit)
            found = await counter.hit(f"{run}:{step.key}", step.limit, WINDOW)
            assert found._replace(reset=0) == expected._replace(reset=0)
            assert found.reset == pytest.approx(expected.reset, abs=TOLERANCE)

    _with_redis(redis, play)


@given(st.floats(0, 1e7), st.lists(st.floats(0, 5), min_size=1, max_size=200), st.integers(1, 5))
def test_no_window_lets_more_than_the_limit_through(
    now: float, gaps: list[float], limit: int
) -> None:
    counter = MemoryCounter(clock=lambda: now)
    passed: dict[float, int] = {}
    ends: list[float] = []

    for gap in gaps:
        now += gap
        quota = counter.hit("key", limit, 10)
        assert 0 < quota.reset <= 10
        end = round(now + quota.reset, 4)
        passed[end] = passed.get(end, 0) + quota.allowed
        ends.append(end)

    assert max(passed.values()) <= limit
    # Refused or not, no request moves the end of the window that it falls in.
    assert all(later == end or later >= end + 9.999 for end, later in pairwise(ends))


@given(st.integers(1, 60), st.integers(0, 120))
def test_memory_lets_the_whole_limit_through(limit: int, requests: int) -> None:
    counter = MemoryCounter(clock=lambda: 0.0)
    quotas = [counter.hit("key", limit, 60) for _ in range(requests)]
    assert sum(quota.allowed for quota in quotas) == min(limit, requests)


@pytest.mark.usefixtures("patience")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 60), requests=st.integers(1, 120))
def test_redis_is_exact_for_two_processes_at_once(
    redis: RunningRedis, limit: int, requests: int
) -> None:
    key = uuid.uuid4().hex

    async def play(one: RedisCounter) -> list[Quota]:
        other = RedisCounter(redis.url, processes=2)
        counters = [one, other]
        hits = [counters[turn % 2].hit(key, limit, WINDOW) for turn in range(requests)]
        quotas = await asyncio.gather(*hits)
        await other.close()
        return quotas

    quotas = _with_redis(redis, play)
    passed = [quota for quota in quotas if quota.allowed]
    assert len(passed) == min(limit, requests)
    # Each one that passed was told another number of requests left.
    assert sorted(quota.remaining for quota in passed) == list(range(limit))[-len(passed) :]


def test_memory_keeps_live_windows_only() -> None:
    now = 0.0
    counter = MemoryCounter(clock=lambda: now)

    for second in range(100):
        now = second
        for client in range(100):
            counter.hit(f"{second}-{client}", 1, 10)
        counter.hit("who comes often", 1, 10)
    assert len(counter) == 10 * 100 + 1


@pytest.mark.usefixtures("patience")
def test_redis_keeps_nothing_past_its_window(redis: RunningRedis) -> None:
    key = uuid.uuid4().hex

    async def play(counter: RedisCounter) -> None:
        for _ in range(5):
            await counter.hit(key, 3, WINDOW)

    _with_redis(redis, play)
    assert 0 < redis.command("PTTL", PREFIX + key) <= WINDOW * 1000
    redis.pass_time(WINDOW)
    assert redis.command("EXISTS", PREFIX + key) == 0


@pytest.mark.usefixtures("patience")
def test_a_count_without_an_end_begins_a_new_window(redis: RunningRedis) -> None:
    key = uuid.uuid4().hex
    redis.command("SET", PREFIX + key, 1000)

    async def play(counter: RedisCounter) -> Quota:
        return await counter.hit(key, 3, WINDOW)

    assert _with_redis(redis, play) == Quota(3, 2, WINDOW, True)


@pytest.mark.parametrize("kind", ["memory", "redis"])
@pytest.mark.usefixtures("patience")
def test_two_limits_may_share_one_count(redis: RunningRedis, kind: str) -> None:
    key = uuid.uuid4().hex

    async def play(counter: Counter) -> list[bool]:
        limits = (5, 2, 2, 5, 5, 2, 5, 5)
        return [(await resolve(counter.hit(key, limit, WINDOW))).allowed for limit in limits]

    passed = asyncio.run(play(MemoryCounter())) if kind == "memory" else _with_redis(redis, play)
    assert passed == [True, True, False, True, True, False, True, False]


def _with_redis(redis: RunningRedis, play: Callable[[RedisCounter], Awaitable[T]]) -> T:
    async def run() -> T:
        counter = RedisCounter(redis.url, processes=2)
        try:
            return await play(counter)
        finally:
            await counter.close()

    return asyncio.run(run())
