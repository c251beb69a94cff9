"""The connections to one upstream: how many, which are free, and who waits for one."""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from app.errors import UpstreamBusyError, UpstreamTLSError, UpstreamUnreachableError
from app.proxy.connection import Connection

Slot = asyncio.Future[Connection]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """max_connections: open or opening. All times in seconds."""

    max_connections: int
    queue_timeout: float
    connect_timeout: float
    idle_timeout: float


class PoolUsage(NamedTuple):
    """connections: how many, by what they do. most: how many there may be. waiting: requests."""

    connections: dict[str, int]
    most: int
    waiting: int


class Pool:
    """At most `max_connections` to one host and port; who comes first is served first."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, limits: PoolLimits
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits
        self._members: set[Connection] = set()
        self._opening = 0
        # Ordered: the newest is taken first, so that the surplus of a busy hour grows old.
        self._idle: dict[Connection, float] = {}
        self._queue: deque[tuple[Slot, float]] = deque()
        self._dials: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def empty(self) -> bool:
        return not (self._members or self._opening or self._queue)

    def usage(self) -> PoolUsage:
        """What is in use just now."""
        idle = len(self._idle)
        return PoolUsage(
            {"in_use": len(self._members) - idle, "idle": idle, "opening": self._opening},
            self._limits.max_connections,
            sum(not slot.done() for slot, _ in self._queue.copy()),
        )

    def idle(self, now: float) -> Connection | None:
        """A free connection that may still be used, if there is one. now: the loop's time."""
        idle = self._idle
        while idle:
            conn, since = idle.popitem()
            if now - since < self._limits.idle_timeout and not conn.transport.is_closing():
                return conn
            conn.abort()
        return None

    def unused(self, conn: Connection) -> None:
        """Take back a connection that `idle` gave, and that nothing was sent on."""
        # It is as old as before: the server closes it by the age that it sees.
        self._offer(conn, conn.touched)

    def request(self) -> Slot:
        """A connection for whoever found none free: a new one, or a place in the queue.

        The future raises UpstreamBusyError, UpstreamUnreachableError or UpstreamTLSError. Set an
        exception on it to give up the place.
        """
        loop = asyncio.get_running_loop()
        slot: Slot = loop.create_future()
        if self._closed:
            slot.set_exception(UpstreamUnreachableError("The gateway is shutting down."))
        elif self._has_room():
            self._dial(slot)
        else:
            self._queue.append((slot, loop.time()))
        return slot

    def release(self, conn: Connection) -> None:
        """Take back a connection whose answer is done with, whatever state it is in."""
        if not conn.reusable or self._closed:
            conn.abort()
            return
        conn.rest()
        self._offer(conn)

    def sweep(self, now: float) -> None:
        """Close what has been idle too long, and send away who has waited too long."""
        for conn, since in list(self._idle.items()):
            if now - since < self._limits.idle_timeout:
                break
            conn.abort()
        while self._queue:
            slot, since = self._queue[0]
            if not slot.done() and now - since < self._limits.queue_timeout:
                break
            self._queue.popleft()
            if not slot.done():
                slot.set_exception(
                    UpstreamBusyError("All connections to MLflow are in use. Try again.")
                )

    async def aclose(self) -> None:
        self._closed = True
        for conn in list(self._members):
            conn.abort()
        for dial in list(self._dials):
            dial.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)
        while self._queue:
            slot, _ = self._queue.popleft()
            if not slot.done():
                slot.set_exception(UpstreamUnreachableError("The gateway is shutting down."))

    def _has_room(self) -> bool:
        return len(self._members) + self._opening < self._limits.max_connections

    def _offer(self, conn: Connection, since: float | None = None) -> None:
        """since: the loop's time at which it was last in use, if not now."""
        slot = self._next()
        if slot is not None:
            slot.set_result(conn)
        else:
            self._idle[conn] = asyncio.get_running_loop().time() if since is None else since

    def _next(self) -> Slot | None:
        while self._queue:
            slot, _ = self._queue.popleft()
            if not slot.done():
                return slot
        return None

    def _lost(self, conn: Connection) -> None:
        self._idle.pop(conn, None)
        self._members.discard(conn)
        self._fill()

    def _fill(self) -> None:
        """Open a connection for the next in the queue, where one has gone."""
        if self._queue and not self._closed and self._has_room():
            slot = self._next()
            if slot is not None:
                self._dial(slot)

    def _dial(self, slot: Slot) -> None:
        self._opening += 1
        task = asyncio.get_running_loop().create_task(self._open(slot))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _open(self, slot: Slot) -> None:
        try:
            conn = await self._connect_twice()
        except (UpstreamUnreachableError, UpstreamTLSError) as error:
            if not slot.done():
                slot.set_exception(error)
        except asyncio.CancelledError:
            if not slot.done():
                slot.set_exception(UpstreamUnreachableError("The gateway is shutting down."))
            raise
        else:
            if not conn.closed:
                self._members.add(conn)
            if slot.done():
                self._offer(conn)
            else:
                slot.set_result(conn)
        finally:
            self._opening -= 1
            self._fill()

    async def _connect_twice(self) -> Connection:
        try:
            return await self._connect()
        except UpstreamUnreachableError as error:
            # A refusal comes at once, and may be a restart. Who has waited long does not again.
            if isinstance(error.__cause__, TimeoutError):
                raise
            return await self._connect()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                _, conn = await loop.create_connection(
                    lambda: Connection(loop, self._lost), self._host, self._port, ssl=self._tls
                )
        except ssl.SSLError as error:
            raise UpstreamTLSError(
                "MLflow's TLS certificate or handshake was refused; the operator has to look at it."
            ) from error
        except TimeoutError as error:
            raise UpstreamUnreachableError("MLflow does not accept connections.") from error
        except OSError as error:
            raise UpstreamUnreachableError("MLflow cannot be reached.") from error
        return conn
