"""Counting requests in fixed windows: in this process, or in Redis for all of them.

A window of somebody begins with their first request and lasts its length; `limit` requests are let
through in it, and the refused ones do not count. Both counters are exact under concurrency.
"""

import math
import time
from collections.abc import Callable
from typing import Protocol

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from app.limits.window import Quota

log = structlog.get_logger()

# One script, so that the count and its expiry cannot come apart. Times are in milliseconds.
COUNT = """
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  count = 0
  left = tonumber(ARGV[2])
end
if count < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], count + 1, 'PX', left)
  return {count + 1, left, 1}
end
return {count, left, 0}
"""
# Redis beside the gateway answers in a fraction of a millisecond; past this it counts as gone.
REDIS_SECONDS = 0.25
# How long a Redis that failed is left alone, so that each request need not wait for it again.
REDIS_PAUSE = 1.0
# When this many windows are kept, those that are over are swept out.
SWEEP = 10_000


class Counter(Protocol):
    """Counts one hit on `key`, where `limit` are allowed in `window` seconds."""

    async def hit(self, key: str, limit: int, window: float) -> Quota: ...


class MemoryCounter:
    """Counts in this process. `hit_now` is the same without a coroutine, for the hot path."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # key → [end of the window, requests in it]
        self._windows: dict[str, list[float]] = {}
        self._sweep_at = SWEEP

    def hit_now(self, key: str, limit: int, window: float) -> Quota:
        now = self._clock()
        entry = self._windows.get(key)
        if entry is None or entry[0] <= now:
            if len(self._windows) >= self._sweep_at:
                self._sweep(now)
            entry = self._windows[key] = [now + window, 0.0]
        reset = entry[0] - now
        if entry[1] >= limit:
            return Quota(limit, 0, reset, allowed=False)
        entry[1] += 1
        return Quota(limit, int(limit - entry[1]), reset, allowed=True)

    async def hit(self, key: str, limit: int, window: float) -> Quota:
        return self.hit_now(key, limit, window)

    def _sweep(self, now: float) -> None:
        self._windows = {key: entry for key, entry in self._windows.items() if entry[0] > now}
        # Where all of them are live, sweeping at each new one would be quadratic.
        self._sweep_at = max(SWEEP, 2 * len(self._windows))


class RedisCounter:
    """Counts in Redis for every worker and replica; in this process while Redis is away.

    share: how many processes count by themselves then, each for its part of the limit.
    """

    def __init__(
        self,
        url: str,
        *,
        share: int,
        fell_back: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=32,
            timeout=REDIS_SECONDS,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            decode_responses=True,
        )
        self._redis = redis.asyncio.Redis(connection_pool=self._pool)
        self._count = self._redis.register_script(COUNT)
        self._fallback = MemoryCounter(clock)
        self._share = share
        self._fell_back = fell_back
        self._clock = clock
        self._away_until = -math.inf

    async def hit(self, key: str, limit: int, window: float) -> Quota:
        if self._clock() >= self._away_until:
            try:
                count, left, allowed = await self._count(
                    keys=[f"hokusai:limit:{key}"], args=[limit, int(window * 1000)]
                )
                return Quota(limit, max(0, limit - count), left / 1000, allowed=bool(allowed))
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error)
        self._fell_back()
        return self._fallback.hit_now(key, max(1, limit // self._share), window)

    async def close(self) -> None:
        await self._redis.aclose()
        await self._pool.disconnect()

    def _lost(self, error: Exception) -> None:
        self._away_until = self._clock() + REDIS_PAUSE
        log.warning("limits.redis_lost", error=type(error).__name__)
