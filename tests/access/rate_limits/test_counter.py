"""Both counters agree with a simple model of a limit, under clocks that the tests advance."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.access.rate_limits.counter import Counter, MemoryCounter, resolve
from app.access.rate_limits.redis_counter import PREFIX, RedisCounter
from app.core.request.limit_state import LimitState
from tests.support.redis import RunningRedis

# Redis' own clock runs too. It does not matter: a test takes seconds, a step is half an hour.
STEP = 1800
WINDOW = 2 * STEP + STEP // 2
TOLERANCE = STEP // 4


@asynccontextmanager
async def redis_counter(redis: RunningRedis) -> AsyncIterator[RedisCounter]:
    counter = RedisCounter(redis.url, processes=2)
    try:
        yield counter
    finally:
        await counter.close()


@dataclass
class Step:
    """One request of a history: the steps of the clock before it, its key, and the key's limit."""

    after: int
    key: str
    limit: int


@dataclass
class Model:
    """A limit in its simplest form. windows: by key, when it began and its requests so far."""

    window: float
    now: float = 0
    windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def hit(self, key: str, limit: int) -> LimitState:
        began, count = self.windows.get(key, (self.now - self.window, 0))
        if self.now >= began + self.window:
            began, count = self.now, 0
        allowed = count < limit
        self.windows[key] = (began, count + allowed)
        remaining = max(0, limit - count - allowed)
        return LimitState(limit, remaining, began + self.window - self.now, allowed)


HISTORIES = st.lists(
    st.builds(Step, st.integers(0, 4), st.sampled_from("abc"), st.integers(1, 4)), max_size=30
)


@given(HISTORIES)
def test_the_memory_counter_agrees_with_the_model(history: list[Step]) -> None:
    # Whole numbers, so that requests also arrive exactly at the end of a window.
    model = Model(window=4)
    counter = MemoryCounter(clock=lambda: model.now)

    for step in history:
        model.now += step.after
        expected = model.hit(step.key, step.limit)
        assert counter.hit(step.key, step.limit, 4) == expected


@pytest.mark.usefixtures("patience")
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=HISTORIES)
async def test_the_redis_counter_agrees_with_the_model(
    redis: RunningRedis, history: list[Step]
) -> None:
    model = Model(window=WINDOW)
    run = uuid.uuid4().hex

    async with redis_counter(redis) as counter:
        for step in history:
            if step.after:
                model.now += step.after * STEP
                redis.pass_time(step.after * STEP)
            expected = model.hit(step.key, step.limit)
            found = await counter.hit(f"{run}:{step.key}", step.limit, WINDOW)
            assert found._replace(reset=0) == expected._replace(reset=0)
            assert found.reset == pytest.approx(expected.reset, abs=TOLERANCE)


@given(st.floats(0, 1e7), st.lists(st.floats(0, 5), min_size=1, max_size=200), st.integers(1, 5))
def test_no_window_allows_more_than_the_limit(now: float, gaps: list[float], limit: int) -> None:
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
    # Neither an allowed nor a refused request moves the end of its window.
    assert all(later == end or later >= end + 9.999 for end, later in pairwise(ends))


@given(st.integers(1, 60), st.integers(0, 120))
def test_the_memory_counter_allows_the_whole_limit(limit: int, requests: int) -> None:
    counter = MemoryCounter(clock=lambda: 0.0)
    quotas = [counter.hit("key", limit, 60) for _ in range(requests)]
    assert sum(quota.allowed for quota in quotas) == min(limit, requests)


@pytest.mark.usefixtures("patience")
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(limit=st.integers(1, 60), requests=st.integers(1, 120))
async def test_the_redis_counter_is_exact_for_two_processes(
    redis: RunningRedis, limit: int, requests: int
) -> None:
    key = uuid.uuid4().hex

    async with redis_counter(redis) as one, redis_counter(redis) as other:
        hits = [(one, other)[turn % 2].hit(key, limit, WINDOW) for turn in range(requests)]
        quotas = await asyncio.gather(*hits)
    passed = [quota for quota in quotas if quota.allowed]
    assert len(passed) == min(limit, requests)
    # Each allowed request has a different number of requests left.
    assert sorted(quota.remaining for quota in passed) == list(range(limit))[-len(passed) :]


def test_the_memory_counter_removes_ended_windows() -> None:
    now = 0.0
    counter = MemoryCounter(clock=lambda: now)

    for second in range(100):
        now = second
        for client in range(100):
            counter.hit(f"{second}-{client}", 1, 10)
        counter.hit("frequent client", 1, 10)
    assert len(counter) == 10 * 100 + 1


@pytest.mark.usefixtures("patience")
async def test_redis_removes_a_window_at_its_end(redis: RunningRedis) -> None:
    key = uuid.uuid4().hex

    async with redis_counter(redis) as counter:
        for _ in range(5):
            await counter.hit(key, 3, WINDOW)
    assert 0 < redis.command("PTTL", PREFIX + key) <= WINDOW * 1000
    redis.pass_time(WINDOW)
    assert redis.command("EXISTS", PREFIX + key) == 0


@pytest.mark.usefixtures("patience")
async def test_a_counter_without_an_expiry_starts_a_new_window(redis: RunningRedis) -> None:
    key = uuid.uuid4().hex
    redis.command("SET", PREFIX + key, 1000)

    async with redis_counter(redis) as counter:
        assert await counter.hit(key, 3, WINDOW) == LimitState(3, 2, WINDOW, True)


@pytest.mark.parametrize("kind", ["memory", "redis"])
@pytest.mark.usefixtures("patience")
async def test_different_limits_may_share_one_counter(redis: RunningRedis, kind: str) -> None:
    key = uuid.uuid4().hex

    limits = (5, 2, 2, 5, 5, 2, 5, 5)
    async with redis_counter(redis) as in_redis:
        counter: Counter = MemoryCounter() if kind == "memory" else in_redis
        allowed = [(await resolve(counter.hit(key, limit, WINDOW))).allowed for limit in limits]
    assert allowed == [True, True, False, True, True, False, True, False]
