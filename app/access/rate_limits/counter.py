"""Counts requests in fixed windows.

The window of a key begins with its first request. Up to `limit` requests are allowed in it; the
ones refused after that are not counted and do not extend the window. Every counter is exact under
concurrency.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.core.request.limit_state import LimitState


class Counter(Protocol):
    """Stores the windows of all keys."""

    def hit(self, key: str, limit: int, window: float) -> LimitState | asyncio.Future[LimitState]:
        """Count one request on a key and return the state of its window.

        limit: requests allowed per window, at least 1. window: its length in seconds. A counter
        outside of this process returns a future, which never fails.
        """
        ...

    async def close(self) -> None:
        """Close the counter's connections."""
        ...


async def resolve(hit: LimitState | asyncio.Future[LimitState]) -> LimitState:
    """The result of `Counter.hit`, awaited if it is a future."""
    return hit if isinstance(hit, LimitState) else await hit


class MemoryCounter:
    """Counts in this process, and never waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By length; those of one length are ordered by their beginnings, and so by their ends.
        self._windows: dict[float, OrderedDict[str, _Window]] = {}

    def __len__(self) -> int:
        """The number of windows in memory."""
        return sum(map(len, self._windows.values()))

    def hit(self, key: str, limit: int, window: float) -> LimitState:
        now = self._clock()
        windows = self._windows.get(window)
        if windows is None:
            windows = self._windows[window] = OrderedDict()
        current = windows.get(key)
        if current is None or current.end <= now:
            current = self._begin_window(windows, key, now, window)
        # Floating-point rounding can make the time left exceed the window's length.
        reset = min(window, current.end - now)
        if current.count >= limit:
            return LimitState(limit, 0, reset, False)
        current.count += 1
        return LimitState(limit, limit - current.count, reset, True)

    async def close(self) -> None:
        pass

    def _begin_window(
        self, windows: "OrderedDict[str, _Window]", key: str, now: float, window: float
    ) -> "_Window":
        """Add a window, after removing those at the front that have ended."""
        while windows and next(iter(windows.values())).end <= now:
            windows.popitem(last=False)
        windows[key] = begun = _Window(now + window)
        return begun


@dataclass(slots=True)
class _Window:
    end: float
    count: int = 0
