"""Slowing down before the gateway refuses."""

from __future__ import annotations

import logging

import pytest

from hokusai.rate_limit import Pacer
from scripted import Pause


def headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


@pytest.fixture
def pacer(pause: Pause) -> Pacer:
    return Pacer(sleep=pause.sleep, clock=pause.clock)


def test_nothing_is_waited_for_before_the_first_answer_or_with_much_left(
    pacer: Pacer, pause: Pause
) -> None:
    pacer.wait()
    pacer.note(headers(100, 50, 30))
    for _ in range(40):
        pacer.wait()

    assert pause.slept == []


def test_the_last_requests_are_spread_over_the_rest_of_the_window(
    pacer: Pacer, pause: Pause
) -> None:
    pacer.note(headers(100, 5, 60))
    for _ in range(5):
        pacer.wait()

    assert len(pause.slept) == 5
    assert sum(pause.slept) < 60
    assert all(seconds > 0 for seconds in pause.slept)


def test_a_used_up_window_is_waited_out_and_told(
    pacer: Pacer, pause: Pause, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hokusai")
    pacer.note(headers(100, 0, 23))

    assert pacer.wait() == 23
    assert pause.slept == [23]
    assert caplog.messages == ["Waiting 23 seconds: the rate limit of 100 requests is used up."]
    # The next window is a new one.
    assert pacer.wait() == 0


def test_a_terminal_is_told_as_well(
    pacer: Pacer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    pacer.note(headers(100, 0, 23))
    pacer.wait()

    assert capsys.readouterr().err == (
        "hokusai: waiting 23 seconds: the rate limit of 100 requests is used up.\n"
    )


def test_a_late_answer_does_not_bring_requests_back(pacer: Pacer, pause: Pause) -> None:
    pacer.note(headers(100, 0, 30))
    pacer.note(headers(100, 7, 30))

    assert pacer.wait() == 30
    assert pause.slept == [30]


def test_a_new_window_counts_anew(pacer: Pacer, pause: Pause) -> None:
    pacer.note(headers(100, 0, 1))
    pause.now += 2
    pacer.note(headers(100, 99, 60))

    assert pacer.wait() == 0


@pytest.mark.parametrize(
    "told", [{}, {"RateLimit-Limit": "x"}, {**headers(1, 1, 1), "RateLimit-Reset": "soon"}]
)
def test_an_answer_without_a_limit_changes_nothing(
    pacer: Pacer, pause: Pause, told: dict[str, str]
) -> None:
    pacer.note(told)

    assert pacer.wait() == 0
