"""Counting in Redis, for all workers and replicas."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import RedisError

from app.access.rate_limits.counter import MemoryCounter
from app.core.batching import Batcher
from app.core.errors import StartupError
from app.core.request.quota import Quota

log = structlog.get_logger()

# One script, so that a count and its end cannot come apart. KEYS: the windows; ARGV, for each of
# them: the limit, and the length in milliseconds. It answers, for each, with the count, above the
# limit where that is used up, and the milliseconds left. A window in its last millisecond counts as
# over.
COUNT = """
local answer = {}
for i, key in ipairs(KEYS) do
  local limit, length = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local count, left = 1, redis.call('PTTL', key)
  if left <= 0 then
    redis.call('SET', key, 1, 'PX', length)
    left = length
  elseif tonumber(redis.call('GET', key)) >= limit then
    count = limit + 1
  else
    count = redis.call('INCR', key)
  end
  answer[2 * i - 1], answer[2 * i] = count, left
end
return answer
"""
PREFIX = "hokusai:limit:"
# Redis beside the gateway answers in a fraction of a millisecond; past this it counts as gone. A
# shorter time would take it for gone when it is the gateway that is short of CPU.
REDIS_SECONDS = 1.0
# Between two tries to reach a Redis that is gone.
REDIS_PAUSE = 1.0
# Redis does nothing else while it counts these.
MAX_TOGETHER = 200


class _Hit(NamedTuple):
    key: str
    limit: int
    window: float


class RedisCounter:
    """Counts in Redis for every worker and replica; in this process while Redis is away.

    share: how many processes count by themselves then, each for its part of the limit.
    fell_back: called for each request that is counted here instead.
    Raises StartupError for a URL that can never work; a Redis that is away is no error.
    """

    def __init__(
        self, url: str, *, share: int, fell_back: Callable[[], None] = lambda: None
    ) -> None:
        try:
            # One timeout of ours is around connecting and asking.
            pool = ConnectionPool.from_url(
                url, socket_timeout=None, socket_connect_timeout=REDIS_SECONDS
            )
            # The client would find a wrong option at the first request.
            pool.make_connection()  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, RedisError):
            # Their messages may repeat a part of the URL, and so of the password.
            raise StartupError(
                "HOKUSAI_REDIS_URL cannot be read: write redis://[user:password@]host[:port][/db] "
                "or unix://path, with / : @ ? and # in a password percent-encoded"
            ) from None
        self._redis = Redis.from_pool(pool)
        self._count = self._redis.register_script(COUNT)
        self._share = share
        self._fell_back = fell_back
        self._fallback = MemoryCounter()
        self._batcher = Batcher(self._hit, MAX_TOGETHER)
        # Runs while Redis is away.
        self._recovery: asyncio.Task[None] | None = None

    def hit(self, key: str, limit: int, window: float) -> asyncio.Future[Quota]:
        return self._batcher.submit(_Hit(key, limit, window))

    @property
    def address(self) -> str:
        """Host and port, or the socket, without user and password."""
        given = self._redis.connection_pool.connection_kwargs
        if "path" in given:
            return str(given["path"])
        return f"{given.get('host', 'localhost')}:{given.get('port', 6379)}"

    async def ping(self) -> None:
        """Nothing, where Redis answers. Raises RedisError, TimeoutError or another OSError."""
        async with asyncio.timeout(REDIS_SECONDS):
            await self._redis.ping()

    async def close(self) -> None:
        if self._recovery is not None:
            self._recovery.cancel()
        await self._redis.aclose()

    async def _hit(self, hits: list[_Hit]) -> list[Quota]:
        # Whoever waited while Redis was lost does not wait for it once more.
        if self._recovery is None:
            try:
                return await self._ask(hits)
            except (RedisError, OSError) as error:
                self._lost(error)
        return [self._hit_here(hit) for hit in hits]

    def _hit_here(self, hit: _Hit) -> Quota:
        self._fell_back()
        return self._fallback.hit(hit.key, max(1, hit.limit // self._share), hit.window)

    async def _ask(self, hits: list[_Hit]) -> list[Quota]:
        keys = [PREFIX + hit.key for hit in hits]
        arguments = [number for hit in hits for number in (hit.limit, round(hit.window * 1000))]
        async with asyncio.timeout(REDIS_SECONDS):
            answer = await self._count(keys, arguments)
        return [
            Quota(hit.limit, max(0, hit.limit - count), left / 1000, count <= hit.limit)
            for hit, count, left in zip(hits, answer[::2], answer[1::2], strict=True)
        ]

    def _lost(self, error: Exception) -> None:
        # Of the requests that were asking at once, the first one tells.
        if self._recovery is None:
            log.warning("limits.redis_lost", error=type(error).__name__)
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Try until Redis counts again: a PING would not tell of one that cannot write."""
        while self._recovery is not None:
            await asyncio.sleep(REDIS_PAUSE)
            with suppress(RedisError, OSError):
                await self._ask([_Hit("probe", 1, REDIS_PAUSE)])
                self._recovery = None
        log.info("limits.redis_back")
