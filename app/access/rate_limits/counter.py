"""Counting requests in fixed windows.

A window of somebody begins with their first request and lasts its length; `limit` requests are let
through in it. The refused ones neither count nor make it longer. Every counter is exact under
concurrency.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.core.request.quota import Quota


class Counter(Protocol):
    """Keeps the counts of windows."""

    def hit(self, key: str, limit: int, window: float) -> Quota | asyncio.Future[Quota]:
        """Count a request on `key`, of which `limit` (at least 1) may pass in `window` seconds.

        A future is for who has to be asked, and never fails.
        """
        ...

    async def close(self) -> None:
        """Give back whatever it holds."""
        ...


async def counted(hit: Quota | asyncio.Future[Quota]) -> Quota:
    """What a counter's `hit` gave, waited for where that takes it."""
    return hit if isinstance(hit, Quota) else await hit


class MemoryCounter:
    """Counts in this process, and never waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # By their length, and among those in the order in which they began.
        self._windows: dict[float, OrderedDict[str, _Window]] = {}

    def __len__(self) -> int:
        """How many windows are kept."""
        return sum(map(len, self._windows.values()))

    def hit(self, key: str, limit: int, window: float) -> Quota:
        now = self._clock()
        windows = self._windows.get(window)
        if windows is None:
            windows = self._windows[window] = OrderedDict()
        current = windows.get(key)
        if current is None or current.end <= now:
            current = self._begin(windows, key, now, window)
        # Rounding may make a new window longer than it is; its header would say a second more.
        reset = min(window, current.end - now)
        if current.count >= limit:
            return Quota(limit, 0, reset, False)
        current.count += 1
        return Quota(limit, limit - current.count, reset, True)

    async def close(self) -> None:
        pass

    def _begin(
        self, windows: "OrderedDict[str, _Window]", key: str, now: float, window: float
    ) -> "_Window":
        """A new window. These are of one length, so the first begun is the first over, and goes."""
        while windows and next(iter(windows.values())).end <= now:
            windows.popitem(last=False)
        begun = windows[key] = _Window(now + window)
        return begun


@dataclass(slots=True)
class _Window:
    end: float
    count: int = 0
