"""A request body has a minimum data rate, averaged over windows of waiting time."""

import pytest

from app.core.errors import SlowRequestError
from app.core.min_rate import MIN_RATE, WINDOW_IN_TIMEOUTS, MinimumDataRate

TIMEOUT = 1.0
WINDOW = WINDOW_IN_TIMEOUTS * TIMEOUT


def test_a_body_at_the_minimum_rate_is_accepted() -> None:
    rate = MinimumDataRate(TIMEOUT)
    for _ in range(10):
        rate.record(int(WINDOW * MIN_RATE), WINDOW)


def test_a_window_below_the_minimum_rate_is_refused() -> None:
    rate = MinimumDataRate(TIMEOUT)
    for _ in range(WINDOW_IN_TIMEOUTS - 1):
        rate.record(1, TIMEOUT)
    with pytest.raises(SlowRequestError, match=f"less than {MIN_RATE} bytes a second"):
        rate.record(1, TIMEOUT)


def test_only_the_time_spent_waiting_for_the_client_counts() -> None:
    rate = MinimumDataRate(TIMEOUT)
    for _ in range(10_000):
        rate.record(1, 0.0)
    rate.record(1, WINDOW)
    # The next window starts from zero: a fast start does not make up for a slow rest.
    with pytest.raises(SlowRequestError, match="less than"):
        rate.record(int(WINDOW * MIN_RATE) - 1, WINDOW)
