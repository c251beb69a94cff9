"""Keeping to a gateway's rate limit: slowing down before it refuses, and saying so."""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Callable, Mapping

log = logging.getLogger("hokusai")

# In its last twentieth a window's requests are spread over what is left of it.
THROTTLED_PART = 20
# Shorter waits are nobody's business.
MIN_REPORTED_SECONDS = 1.0


class RateLimiter:
    """The state of one caller's limit at one gateway, shared by the SDK and the MLflow client.

    The gateway counts in fixed windows and says in every answer what is left (`RateLimit-*`
    headers). Other processes with the same credential count too, so this is an estimate: a 429 can
    still come, and is waited out as well.
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
        self._end = 0.0  # of the window, on our clock; past before the first answer

    def acquire(self) -> float:
        """Before a request: wait as long as the limit asks for; the seconds waited.

        The count is taken here, so that threads share what is left between them.
        """
        waited = 0.0
        while True:
            with self._lock:
                left = self._end - self.clock()
                if left <= 0:
                    return waited
                if self._remaining > 0:
                    pause = self._pause(left)
                    self._remaining -= 1
                    break
            report_wait(left, f"the rate limit of {self._limit} requests is used up")
            self.sleep(left)
            waited += left
        if pause > 0:
            report_wait(pause, f"few requests are left of the rate limit of {self._limit}")
            self.sleep(pause)
        return waited + pause

    def _pause(self, left: float) -> float:
        if self._remaining > self._limit // THROTTLED_PART:
            return 0.0
        return left / (self._remaining + 1)

    def update(self, headers: Mapping[str, str]) -> None:
        """After an answer: what it says of the limit, if anything."""
        try:
            limit = int(headers["RateLimit-Limit"])
            remaining = int(headers["RateLimit-Remaining"])
            end = self.clock() + float(headers["RateLimit-Reset"])
        except (KeyError, ValueError):
            return
        with self._lock:
            # Answers come in any order. Reset is in whole seconds, rounded up, so that the end of
            # one window wanders by a second; what is left of it only falls.
            if end <= self._end + 1.5:
                remaining = min(remaining, self._remaining)
                end = max(end, self._end) if remaining == 0 else end
            self._limit, self._remaining, self._end = limit, remaining, end


def report_wait(seconds: float, why: str) -> None:
    """Tell that the SDK waits: in the log, and on the terminal if there is one."""
    if seconds < MIN_REPORTED_SECONDS:
        return
    log.info("Waiting %.0f seconds: %s.", seconds, why)
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"hokusai: waiting {seconds:.0f} seconds: {why}.", file=sys.stderr, flush=True)
