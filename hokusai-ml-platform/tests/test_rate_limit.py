"""Slowing down before the gateway refuses."""

from __future__ import annotations

import logging

import pytest

from hokusai.rate_limit import RateLimiter
from scripted import Pause


def headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


@pytest.fixture
def rate_limiter(pause: Pause) -> RateLimiter:
    return RateLimiter(sleep=pause.sleep, clock=pause.clock)


def test_nothing_is_waited_for_before_the_first_answer_or_with_much_left(
    rate_limiter: RateLimiter, pause: Pause
) -> None:
    rate_limiter.acquire()
    rate_limiter.update(headers(100, 50, 30))
    for _ in range(40):
        rate_limiter.acquire()

    assert pause.slept == []


def test_the_last_requests_are_spread_over_the_rest_of_the_window(
    rate_limiter: RateLimiter, pause: Pause
) -> None:
    rate_limiter.update(headers(100, 5, 60))
    for _ in range(5):
        rate_limiter.acquire()

    assert len(pause.slept) == 5
    assert sum(pause.slept) < 60
    assert all(seconds > 0 for seconds in pause.slept)


def test_a_used_up_window_is_waited_out_and_told(
    rate_limiter: RateLimiter, pause: Pause, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hokusai")
    rate_limiter.update(headers(100, 0, 23))

    assert rate_limiter.acquire() == 23
    assert pause.slept == [23]
    assert caplog.messages == ["Waiting 23 seconds: the rate limit of 100 requests is used up."]
    # The next window is a new one.
    assert rate_limiter.acquire() == 0


def test_a_terminal_is_told_as_well(
    rate_limiter: RateLimiter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    rate_limiter.update(headers(100, 0, 23))
    rate_limiter.acquire()

    assert capsys.readouterr().err == (
        "hokusai: waiting 23 seconds: the rate limit of 100 requests is used up.\n"
    )


def test_a_late_answer_does_not_bring_requests_back(
    rate_limiter: RateLimiter, pause: Pause
) -> None:
    rate_limiter.update(headers(100, 0, 30))
    rate_limiter.update(headers(100, 7, 30))

    assert rate_limiter.acquire() == 30
    assert pause.slept == [30]


def test_a_new_window_counts_anew(rate_limiter: RateLimiter, pause: Pause) -> None:
    rate_limiter.update(headers(100, 0, 1))
    pause.now += 2
    rate_limiter.update(headers(100, 99, 60))

    assert rate_limiter.acquire() == 0


@pytest.mark.parametrize(
    "told", [{}, {"RateLimit-Limit": "x"}, {**headers(1, 1, 1), "RateLimit-Reset": "soon"}]
)
def test_an_answer_without_a_limit_changes_nothing(
    rate_limiter: RateLimiter, pause: Pause, told: dict[str, str]
) -> None:
    rate_limiter.update(told)

    assert rate_limiter.acquire() == 0
