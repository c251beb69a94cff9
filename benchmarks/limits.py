"""The CPU time of counting one request: the gateway's counters beside those of `limits`.

    python -m benchmarks.limits [redis://127.0.0.1:6379]

Without a URL, only the counters in memory are measured. The figures do not include the CPU time of
Redis itself.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable

import uvloop
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter

from app.access.rate_limits.counter import MemoryCounter, resolve
from app.access.rate_limits.limiter import Limiter
from app.access.rate_limits.policy import Policy
from app.access.rate_limits.redis_counter import RedisCounter
from app.core.request.context import RequestContext
from app.core.request.principal import Principal
from app.core.settings import Settings

WINDOW = 3600
PLENTY = 10**9
AT_ONCE = 32


async def measure(name: str, hit: Callable[[], Awaitable[object]], times: int) -> None:
    """Print the CPU time of one hit in µs, with one task and with several; the best of five."""

    async def repeat() -> None:
        for _ in range(times // AT_ONCE):
            await hit()

    costs = []
    for tasks in (1, AT_ONCE):
        rounds = []
        for _ in range(5):
            started = time.process_time()
            await asyncio.gather(*(repeat() for _ in range(tasks)))
            rounds.append((time.process_time() - started) / (times // AT_ONCE * tasks))
        costs.append(min(rounds) * 1e6)
    print(f"{name:40} {costs[0]:8.1f} {costs[1]:8.1f}")


async def main(url: str | None) -> None:
    print(f"{'CPU µs per request':40} {'1 task':>8} {f'{AT_ONCE} tasks':>8}")
    key = uuid.uuid4().hex
    policy = Policy.from_settings(Settings(rate_limit=PLENTY, rate_window=WINDOW))
    limiter = Limiter(policy, MemoryCounter())
    context = RequestContext(
        "", principal=Principal("key:0123456789abcdef", "key", "t", frozenset())
    )
    await measure(
        "memory, the whole limit of a request",
        lambda: resolve(limiter.principal.hit(context)),
        320_000,
    )
    memory = MemoryCounter()
    await measure("memory, our counter", lambda: resolve(memory.hit(key, PLENTY, WINDOW)), 320_000)
    await measure_limits("memory, `limits`", MemoryStorage(), key, 32_000)
    if url is None:
        return
    redis = RedisCounter(url, processes=1)
    await measure("Redis, our counter", lambda: redis.hit(key, PLENTY, WINDOW), 6_400)
    await redis.close()
    storage = RedisStorage(f"async+{url}", implementation="redispy")
    await measure_limits("Redis, `limits` on redis-py", storage, key, 6_400)


async def measure_limits(name: str, storage: Storage, key: str, times: int) -> None:
    """The same with `limits`: one call to count, and one for the headers' values."""
    limit = RateLimitItemPerSecond(PLENTY, WINDOW)
    strategy = FixedWindowRateLimiter(storage)

    async def hit() -> None:
        await strategy.hit(limit, key)
        await strategy.get_window_stats(limit, key)

    await measure(name, hit, times)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
