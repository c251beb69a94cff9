"""Counts requests in Redis, for all workers and replicas together."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import MovedError, RedisError

from app.access.rate_limits.counter import MemoryCounter
from app.core.batching import Batcher
from app.core.errors import StartupError
from app.core.request.limit_state import LimitState

log = structlog.get_logger()

# Counts a batch of requests. One script, so that a window's count and its expiry are changed
# atomically. KEYS: one per window. ARGV: for each of them the limit, and the window's length in
# milliseconds. It returns for each the count (above the limit if that is used up) and the
# milliseconds left. A window in its last millisecond (PTTL 0) counts as ended.
COUNT_SCRIPT = """
local result = {}
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
  result[2 * i - 1], result[2 * i] = count, left
end
return result
"""
# In braces, a hash tag: in a Redis Cluster all keys belong to one slot, and so to one node. A
# script may use keys of one slot only.
PREFIX = "{hokusai:limit}:"
# The timeout of one call. Redis responds in a fraction of a millisecond, but with a shorter timeout
# a gateway that is short of CPU time would take Redis for unavailable.
REDIS_SECONDS = 1.0
# Seconds between two attempts to reach an unavailable Redis.
REDIS_PAUSE = 1.0
# Requests counted by one call of the script, which blocks Redis meanwhile.
MAX_BATCH = 200
# How often a call is sent again because another node of the cluster owns the slot.
MAX_REDIRECTS = 3


class _Hit(NamedTuple):
    key: str
    limit: int
    window: float


class RedisCounter:
    """Counts in Redis; while Redis is unavailable, in this process.

    processes: the number of processes that count in this Redis. Without Redis, each of them counts
        alone and allows its share of the limit.
    on_fallback: called for each request that is counted in this process instead.
    Raises StartupError for an invalid URL, but not if Redis is unavailable.
    """

    def __init__(
        self, url: str, *, processes: int, on_fallback: Callable[[], None] = lambda: None
    ) -> None:
        try:
            # No socket timeout: REDIS_SECONDS limits each call as a whole.
            pool = ConnectionPool.from_url(
                url, socket_timeout=None, socket_connect_timeout=REDIS_SECONDS
            )
            # Creates no connection, but refuses invalid options of the URL now.
            pool.make_connection()  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, RedisError):
            # `from None`: the message may repeat part of the URL, and so of the password.
            raise StartupError(
                "HOKUSAI_REDIS_URL cannot be read: write redis://[user:password@]host[:port][/db] "
                "or unix://path, with / : @ ? and # in a password percent-encoded"
            ) from None
        self._configured = pool
        self._use(pool)
        self._processes = processes
        self._on_fallback = on_fallback
        self._fallback = MemoryCounter()
        self._batcher = Batcher(self._hit_batch, MAX_BATCH)
        # Runs while Redis is unavailable.
        self._recovery: asyncio.Task[None] | None = None

    def hit(self, key: str, limit: int, window: float) -> asyncio.Future[LimitState]:
        return self._batcher.submit(_Hit(key, limit, window))

    @property
    def address(self) -> str:
        """`host:port` or the path of the socket, for messages: without user and password."""
        options = self._configured.connection_kwargs
        if "path" in options:
            return str(options["path"])
        return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"

    async def check(self) -> None:
        """Count two requests as a batch, and remove the counts again.

        A PING would not do: a read-only Redis responds to it, and so does any node of a cluster.
        Raises RedisError, TimeoutError or another OSError.
        """
        hits = [_Hit(f"probe:{number}", 1, REDIS_PAUSE) for number in range(2)]
        await self._count_in_redis(hits)
        async with asyncio.timeout(REDIS_SECONDS):
            await self._redis.delete(*(PREFIX + hit.key for hit in hits))

    async def close(self) -> None:
        if self._recovery is not None:
            self._recovery.cancel()
        await self._redis.aclose()
        await self._configured.aclose()

    def _use(self, pool: ConnectionPool) -> None:
        self._redis = Redis.from_pool(pool)
        self._count_script = self._redis.register_script(COUNT_SCRIPT)

    async def _follow(self, moved: MovedError) -> None:
        """Use the node of the cluster that owns the slot, with the credentials of the URL."""
        before = self._redis
        kind, options = self._configured.connection_class, self._configured.connection_kwargs
        # A node that does not know its name leaves the host out.
        node = {"host": moved.host or options.get("host", "localhost"), "port": moved.port}
        self._use(ConnectionPool(connection_class=kind, **{**options, **node}))
        if before.connection_pool is not self._configured:
            await before.aclose()

    async def _hit_batch(self, hits: list[_Hit]) -> list[LimitState]:
        # A batch that was waiting when Redis failed does not wait for a second timeout.
        if self._recovery is None:
            try:
                return await self._count_in_redis(hits)
            except (RedisError, OSError) as error:
                self._start_recovery(error)
        return [self._count_locally(hit) for hit in hits]

    def _count_locally(self, hit: _Hit) -> LimitState:
        self._on_fallback()
        return self._fallback.hit(hit.key, max(1, hit.limit // self._processes), hit.window)

    async def _count_in_redis(self, hits: list[_Hit]) -> list[LimitState]:
        keys = [PREFIX + hit.key for hit in hits]
        arguments = [number for hit in hits for number in (hit.limit, round(hit.window * 1000))]
        async with asyncio.timeout(REDIS_SECONDS):
            for _ in range(MAX_REDIRECTS):
                try:
                    result = await self._count_script(keys, arguments)
                    break
                except MovedError as moved:
                    await self._follow(moved)
            else:
                raise RedisError("the nodes of the cluster do not agree on who owns the slot")
        return [
            LimitState(hit.limit, max(0, hit.limit - count), left / 1000, count <= hit.limit)
            for hit, count, left in zip(hits, result[::2], result[1::2], strict=True)
        ]

    def _start_recovery(self, error: Exception) -> None:
        # One outage is logged once.
        if self._recovery is None:
            log.warning("limits.redis_lost", error=type(error).__name__)
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Retry until Redis counts again, from the configured node on."""
        while self._recovery is not None:
            await asyncio.sleep(REDIS_PAUSE)
            with suppress(RedisError, OSError):
                if self._redis.connection_pool is not self._configured:
                    await self._redis.aclose()
                    self._use(self._configured)
                await self.check()
                self._recovery = None
        log.info("limits.redis_back")
