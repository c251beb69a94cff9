"""Keeping within a gateway's rate limit: slowing down before the gateway refuses requests."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Callable, Mapping

log = logging.getLogger("hokusai")

# Requests are spaced out once at most this fraction of the limit is left, a twentieth.
THROTTLE_DIVISOR = 20
# Shorter waits are not reported to the user.
MIN_REPORTED_SECONDS = 1.0
# Two reset times that differ by less belong to the same window: the gateway rounds to seconds.
_RESET_TOLERANCE_SECONDS = 1.5


class RateLimiter:
    """Tracks one caller's rate limit at one gateway; the SDK and the MLflow client share it.

    The gateway counts requests in fixed windows, and reports the rest in the `RateLimit-*` headers
    of every response. Other processes with the same credential count too, so this is an estimate:
    a 429 can still occur, and the client then waits as the gateway asks.

    Attributes:
        sleep: Waits for some seconds.
        clock: Returns the seconds of a monotonic clock.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sleep = sleep
        self.clock = clock
        self._lock = threading.Lock()
        self._limit = 0
        self._remaining = 0
        # When the window ends, on `clock`. In the past until a response has reported a limit.
        self._window_end = 0.0

    def acquire(self) -> float:
        """Wait before a request, for as long as the limit requires.

        Each call counts one request, so that threads share what is left of the limit.

        Returns:
            The seconds waited.
        """
        waited = 0.0
        while True:
            with self._lock:
                left = self._window_end - self.clock()
                if left <= 0:
                    return waited
                if self._remaining > 0:
                    pause = self._spacing(left)
                    self._remaining -= 1
                    break
            report_wait(left, f"the rate limit of {self._limit} requests is used up")
            self.sleep(left)
            waited += left
        if pause > 0:
            report_wait(pause, f"few requests are left of the rate limit of {self._limit}")
            self.sleep(pause)
        return waited + pause

    def _spacing(self, left: float) -> float:
        if self._remaining > self._limit // THROTTLE_DIVISOR:
            return 0.0
        return left / (self._remaining + 1)

    def update(self, headers: Mapping[str, str]) -> None:
        """Read the limit from the headers of a response; headers without one change nothing."""
        try:
            limit = int(headers["RateLimit-Limit"])
            remaining = int(headers["RateLimit-Remaining"])
            end = self.clock() + float(headers["RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        with self._lock:
            # Responses arrive in any order, so within one window the count may only fall.
            if end <= self._window_end + _RESET_TOLERANCE_SECONDS:
                remaining = min(remaining, self._remaining)
                end = max(end, self._window_end) if remaining == 0 else end
            self._limit, self._remaining, self._window_end = limit, remaining, end


def report_wait(seconds: float, reason: str) -> None:
    """Report that the SDK waits: in the log, and on standard error if that is a terminal.

    Args:
        seconds: How long it waits. Below `MIN_REPORTED_SECONDS` nothing is reported.
        reason: Why, as the end of a sentence.
    """
    if seconds < MIN_REPORTED_SECONDS:
        return
    log.info("Waiting %.0f seconds: %s.", seconds, reason)
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"hokusai: waiting {seconds:.0f} seconds: {reason}.", file=sys.stderr, flush=True)
