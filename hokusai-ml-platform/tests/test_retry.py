"""How long requests are retried, and the header that asks for a wait."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from hokusai.rate_limit import RateLimiter
from hokusai.retry import RetryBudget, retry_after_seconds
from scripted import FakeClock


@pytest.fixture
def budget(clock: FakeClock) -> RetryBudget:
    limiter = RateLimiter(sleep=clock.sleep, clock=clock.time)
    return RetryBudget(retry_seconds=60, wait_seconds=10, rate_limiter=limiter)


def test_each_pause_after_a_fault_is_up_to_twice_the_last_one(
    budget: RetryBudget, clock: FakeClock
) -> None:
    while budget.back_off():
        pass

    longest = [min(20.0, 0.5 * 2**number) for number in range(len(clock.slept))]
    assert all(limit / 2 <= seconds <= limit for limit, seconds in zip(longest, clock.slept)), (
        clock.slept
    )
    assert sum(clock.slept) <= 60


def test_a_pause_is_at_least_what_the_gateway_asks_for(
    budget: RetryBudget, clock: FakeClock
) -> None:
    assert budget.back_off(retry_after=30)
    assert clock.slept == [30]
    assert not budget.back_off(retry_after=31)
    assert clock.slept == [30]


def test_waits_add_up_to_wait_seconds_at_most(budget: RetryBudget, clock: FakeClock) -> None:
    assert budget.wait(7, "a test")
    assert not budget.wait(4, "a test")
    # Without a number, and for 0, it is one second.
    assert budget.wait(None, "a test")
    assert budget.wait(0, "a test")
    assert clock.slept == [7, 1, 1]


def test_a_token_is_renewed_once(budget: RetryBudget) -> None:
    assert budget.is_first_renewal()
    assert not budget.is_first_renewal()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", None), ("soon", None), ("-1", None), ("\u0663", None)],
)
def test_retry_after_is_a_number_of_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": value}) == seconds


def test_retry_after_may_be_missing() -> None:
    assert retry_after_seconds({}) is None


def test_retry_after_may_be_a_date() -> None:
    in_a_minute = formatdate(time.time() + 60, usegmt=True)
    seconds = retry_after_seconds({"Retry-After": in_a_minute})

    assert seconds is not None
    assert 50 < seconds <= 60
    assert retry_after_seconds({"Retry-After": formatdate(0, usegmt=True)}) == 0
