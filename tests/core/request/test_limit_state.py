"""The state of a rate-limit counter."""

import pytest

from app.core.request.limit_state import LimitState


@pytest.mark.parametrize(("reset", "seconds"), [(0.001, 1), (1.0, 1), (59.2, 60)])
def test_the_time_left_is_rounded_up_to_whole_seconds(reset: float, seconds: int) -> None:
    assert LimitState(10, 9, reset, allowed=True).reset_seconds == seconds
