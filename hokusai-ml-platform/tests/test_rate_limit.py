"""Slowing down before the gateway refuses requests."""

from __future__ import annotations

import logging

import pytest

from hokusai.rate_limit import RateLimiter, report_wait
from scripted import FakeClock


def headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


@pytest.fixture
def limiter(clock: FakeClock) -> RateLimiter:
    return RateLimiter(sleep=clock.sleep, clock=clock.time)


def test_there_is_no_wait_before_the_first_response_or_while_much_is_left(
    limiter: RateLimiter, clock: FakeClock
) -> None:
    limiter.acquire()
    limiter.update(headers(100, 50, 30))
    for _ in range(40):
        limiter.acquire()

    assert clock.slept == []


def test_the_last_requests_are_spread_over_the_rest_of_the_window(
    limiter: RateLimiter, clock: FakeClock
) -> None:
    limiter.update(headers(100, 5, 60))
    for _ in range(5):
        limiter.acquire()

    assert len(clock.slept) == 5
    assert sum(clock.slept) < 60
    assert all(seconds > 0 for seconds in clock.slept)


def test_when_the_limit_is_used_up_it_waits_for_the_next_window(
    limiter: RateLimiter, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hokusai")
    limiter.update(headers(100, 0, 23))

    assert limiter.acquire() == 23
    assert clock.slept == [23]
    assert caplog.messages == ["Waiting 23 seconds: the rate limit of 100 requests is used up."]
    # In the new window nothing is known to be used.
    assert limiter.acquire() == 0


def test_an_older_response_that_arrives_late_does_not_raise_the_count(
    limiter: RateLimiter, clock: FakeClock
) -> None:
    limiter.update(headers(100, 0, 30))
    limiter.update(headers(100, 7, 30))

    assert limiter.acquire() == 30
    assert clock.slept == [30]


def test_the_count_starts_again_in_a_new_window(limiter: RateLimiter, clock: FakeClock) -> None:
    limiter.update(headers(100, 0, 1))
    clock.now += 2
    limiter.update(headers(100, 99, 60))

    assert limiter.acquire() == 0


@pytest.mark.parametrize(
    "incomplete", [{}, {"RateLimit-Limit": "x"}, {**headers(1, 1, 1), "RateLimit-Reset": "soon"}]
)
def test_a_response_without_a_valid_limit_changes_nothing(
    limiter: RateLimiter, incomplete: dict[str, str]
) -> None:
    limiter.update(incomplete)

    assert limiter.acquire() == 0


def test_a_wait_is_reported_on_a_terminal_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report_wait(23, "of a test")

    assert capsys.readouterr().err == "hokusai: waiting 23 seconds: of a test.\n"


def test_a_short_wait_is_not_reported(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "hokusai")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report_wait(0.9, "of a test")

    assert capsys.readouterr().err == ""
    assert caplog.messages == []
