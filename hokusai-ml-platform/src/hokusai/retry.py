"""How long a request is retried, and how long it waits between two attempts."""

from __future__ import annotations

import logging
import random
import time
from email.utils import parsedate_to_datetime
from typing import Mapping

from hokusai.errors import GatewayError
from hokusai.rate_limit import RateLimiter, report_wait

log = logging.getLogger("hokusai")

# How long one call is retried after faults, and how long it waits for the rate limit.
RETRY_SECONDS = 90.0
WAIT_SECONDS = 600.0
INITIAL_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 20.0


class RetryBudget:
    """How much longer one request may be retried after faults, and wait for the rate limit."""

    def __init__(
        self, retry_seconds: float, wait_seconds: float, rate_limiter: RateLimiter
    ) -> None:
        """Start the time of the request.

        Args:
            retry_seconds: How long it may be retried after faults.
            wait_seconds: How long it may wait because the gateway asks for it.
            rate_limiter: Provides the clock, and the function that sleeps.
        """
        self._rate_limiter = rate_limiter
        self._started = rate_limiter.clock()
        self._retry_seconds = retry_seconds
        self._wait_left = wait_seconds
        self._faults = 0
        self._renewed = False

    def back_off(self, retry_after: float | None = None, error: GatewayError | None = None) -> bool:
        """Sleep after a fault, longer each time.

        Args:
            retry_after: The least number of seconds, if the gateway asked for one.
            error: The gateway's response; None where there was no response.

        Returns:
            False, without sleeping, when the time to retry has passed.
        """
        pause = min(MAX_BACKOFF_SECONDS, INITIAL_BACKOFF_SECONDS * 2**self._faults)
        # Jitter, so that clients that failed together do not all return at the same moment.
        jittered = pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        pause = max(retry_after or 0.0, jittered)
        if self._rate_limiter.clock() + pause - self._started > self._retry_seconds:
            return False
        self._faults += 1
        report_wait(pause, "the gateway is not reachable" if error is None else str(error))
        log.debug("Attempt %d failed; the next one in %.1f seconds.", self._faults, pause)
        self._rate_limiter.sleep(pause)
        return True

    def note_progress(self) -> None:
        """Begin the time anew: a part of what was requested has been received."""
        self._started, self._faults = self._rate_limiter.clock(), 0

    def shorten(self, seconds: float) -> None:
        """Retry after faults for at most this many seconds from the start of the request."""
        self._retry_seconds = min(self._retry_seconds, seconds)

    def wait(self, retry_after: float | None, reason: str) -> bool:
        """Sleep because the gateway asks for it.

        Args:
            retry_after: The number of seconds, if the gateway named one.
            reason: Why, as the end of a sentence.

        Returns:
            False, without sleeping, when that would exceed the time to wait.
        """
        # At least a second, so that `Retry-After: 0` does not cause a busy loop.
        pause = max(retry_after or 0.0, 1.0)
        if pause > self._wait_left:
            return False
        self._wait_left -= pause
        report_wait(pause, reason)
        self._rate_limiter.sleep(pause)
        return True

    def is_first_renewal(self) -> bool:
        """Return True at the first call only: a new token that is rejected is not renewed again."""
        renewed, self._renewed = self._renewed, True
        return not renewed


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds in a `Retry-After` header, which holds a number or a date (RFC 9110).

    None where the header is missing or not valid. A date in the past gives 0.
    """
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, IndexError):
        return None
