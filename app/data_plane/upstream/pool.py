"""The connections to one upstream: how many there are, which are idle, and what waits for one."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import UpstreamBusyError, UpstreamTLSError, UpstreamUnreachableError
from app.data_plane.upstream.connection import Connection

Slot = asyncio.Future[Connection]
# Slots in the order in which they were requested, each with the event loop's time of that.
Queue = deque[tuple[Slot, float]]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Bounds of a pool; all times in seconds.

    max_connections: open or being opened. queue_timeout: for which a request waits for a
    connection. connect_timeout: for TCP and TLS together. idle_timeout: for which an unused
    connection is kept. share: above 0 and at most 1, the part that one caller may hold of the
    connections that other callers do not hold.
    """

    max_connections: int
    queue_timeout: float
    connect_timeout: float
    idle_timeout: float
    share: float = 1.0


class PoolUsage(NamedTuple):
    """connections: their number by state. waiting: requests that wait for a connection."""

    connections: dict[str, int]
    max_connections: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where an upstream listens: a host and port, with TLS or without, or a Unix socket."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    socket_path: str | None = None

    async def connect(self, make: Callable[[], Connection]) -> Connection:
        """Open a connection with the protocol that `make` creates. Raises OSError."""
        loop = asyncio.get_running_loop()
        if self.socket_path is not None:
            return (await loop.create_unix_connection(make, self.socket_path))[1]
        return (await loop.create_connection(make, self.host, self.port, ssl=self.tls))[1]


class Pool:
    """At most `max_connections` to one address, and of these a share for each caller.

    A caller is any string; None is the gateway itself, which may use all of them. Waiting callers
    are served in turn, and the requests of one caller in their order. A request waits only while no
    connection is idle or may be opened, or while its caller holds its share.
    """

    def __init__(self, address: Address, limits: PoolLimits) -> None:
        self._address = address
        self._limits = limits
        self._members: set[Connection] = set()
        self._opening = 0
        # Idle connections with the time since when, in that order. The newest is used first, so
        # that those that are no longer needed after a busy hour expire.
        self._idle: dict[Connection, float] = {}
        # By caller, in the order in which callers are served; no queue is empty.
        self._queues: dict[str | None, Queue] = {}
        # Connections that each caller holds or that are being opened for it, and their sum. Once
        # open, a connection knows its owner, so that the count ends with the connection.
        self._held: dict[str, int] = {}
        self._held_by_all = 0
        self._dials: dict[asyncio.Task[None], Slot] = {}
        self._closed = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing that `close_expired` would have to look at."""
        return not (self._members or self._opening or self._queues)

    def usage(self) -> PoolUsage:
        """How many connections are in use at present. May be called from another thread."""
        idle = len(self._idle)
        return PoolUsage(
            {"in_use": len(self._members) - idle, "idle": idle, "opening": self._opening},
            self._limits.max_connections,
            # Copied, because Prometheus reads it from a thread of its own.
            sum(
                not slot.done() for queue in list(self._queues.values()) for slot, _ in list(queue)
            ),
        )

    def get_idle(self, caller: str | None = None) -> Connection | None:
        """An idle connection; None if there is none, or the caller holds its share already."""
        if not self._may_hold_more(caller):
            return None
        idle = self._idle
        while idle:
            conn, since = idle.popitem()
            age = conn.loop.time() - since
            if age < self._limits.idle_timeout and not conn.transport.is_closing():
                self._count_held(caller)
                conn.owner = caller
                return conn
            # Later: closing it serves waiting requests, and this may be called while they are.
            conn.loop.call_soon(conn.abort)
        return None

    def acquire(self, caller: str | None = None) -> Slot:
        """A connection for a request that found none idle: a new one, or a place in the queue.

        The future raises UpstreamBusyError, UpstreamUnreachableError or UpstreamTLSError. To give
        up the place, set an exception on it.
        """
        loop = asyncio.get_running_loop()
        slot: Slot = loop.create_future()
        if self._closed:
            slot.set_exception(UpstreamUnreachableError("The gateway is shutting down."))
        elif self._has_room() and self._may_hold_more(caller):
            self._dial(slot, caller)
        else:
            self._queues.setdefault(caller, deque()).append((slot, loop.time()))
        return slot

    def release(self, conn: Connection) -> None:
        """Take back a connection, in whatever state it is; it is closed if it cannot be reused."""
        if not conn.reusable or self._closed:
            conn.abort()
            return
        conn.reset()
        self._return_idle(conn)

    def close_expired(self, now: float) -> None:
        """Close connections that were idle too long, and fail requests that waited too long.

        now: the event loop's time.
        """
        for conn, since in list(self._idle.items()):
            if now - since < self._limits.idle_timeout:
                break
            conn.abort()
        for caller, queue in list(self._queues.items()):
            while queue:
                slot, since = queue[0]
                if not slot.done() and now - since < self._limits.queue_timeout:
                    break
                queue.popleft()
                if not slot.done():
                    slot.set_exception(self._busy(caller))
            if not queue:
                del self._queues[caller]

    async def aclose(self) -> None:
        """Close all connections, and fail all requests that wait for one."""
        self._closed = True
        for conn in list(self._members):
            conn.abort()
        dials = dict(self._dials)
        for dial in dials:
            dial.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        waiting = [slot for queue in self._queues.values() for slot, _ in queue]
        for slot in (*dials.values(), *waiting):
            if not slot.done():
                slot.set_exception(UpstreamUnreachableError("The gateway is shutting down."))
        self._queues.clear()

    def _has_room(self) -> bool:
        """Whether another connection may be opened."""
        return len(self._members) + self._opening < self._limits.max_connections

    def _may_hold_more(self, caller: str | None) -> bool:
        """Whether one more connection would be within the caller's share.

        The share is one of what other callers leave, not of the whole: with half of the whole each,
        two callers could hold all connections, and a third would find none.
        """
        held = 0 if caller is None else self._held.get(caller, 0)
        if not held:
            return True
        left = self._limits.max_connections - (self._held_by_all - held)
        return held < left * self._limits.share

    def _busy(self, caller: str | None) -> UpstreamBusyError:
        if caller is None or self._may_hold_more(caller):
            return UpstreamBusyError("All connections to MLflow are in use. Try again.")
        return UpstreamBusyError(
            f"Your requests hold {self._held[caller]} connections to MLflow, as many as one caller "
            "may hold at present. Try again when one of them has finished."
        )

    # --- which caller holds how many ---

    def _count_held(self, caller: str | None) -> None:
        if caller is not None:
            self._held[caller] = self._held.get(caller, 0) + 1
            self._held_by_all += 1

    def _uncount_held(self, caller: str | None) -> None:
        if caller is not None:
            held = self._held[caller] - 1
            if held:
                self._held[caller] = held
            else:
                del self._held[caller]
            self._held_by_all -= 1

    def _clear_owner(self, conn: Connection) -> None:
        """Note that no caller holds the connection. Calling it again does nothing."""
        owner, conn.owner = conn.owner, None
        self._uncount_held(owner)

    def _return_idle(self, conn: Connection) -> None:
        """Keep a connection for the next request, or give it to one that waits."""
        self._clear_owner(conn)
        self._idle[conn] = conn.loop.time()
        self._serve()

    # --- which request is next ---

    def _serve(self) -> None:
        """Give waiting requests the connections that are idle or may be opened."""
        while self._queues and not self._closed and (self._idle or self._has_room()):
            found = self._next_in_queue()
            if found is None:
                return
            caller, queue = found
            conn = self.get_idle(caller)
            if conn is None and not self._has_room():
                return  # the idle connection was too old; closing it will make room
            slot, _ = queue.popleft()
            # The caller that was served goes behind the others.
            del self._queues[caller]
            if queue:
                self._queues[caller] = queue
            if conn is not None:
                slot.set_result(conn)
            else:
                self._dial(slot, caller)

    def _next_in_queue(self) -> tuple[str | None, Queue] | None:
        """The caller to be served next, and its queue; callers that hold their share are skipped.

        Requests that were given up are removed.
        """
        for caller, queue in list(self._queues.items()):
            while queue and queue[0][0].done():
                queue.popleft()
            if not queue:
                del self._queues[caller]
            elif self._may_hold_more(caller):
                return caller, queue
        return None

    def _on_lost(self, conn: Connection) -> None:
        """Called by a connection that has ended."""
        self._idle.pop(conn, None)
        self._members.discard(conn)
        self._clear_owner(conn)
        self._serve()

    # --- opening connections ---

    def _dial(self, slot: Slot, caller: str | None) -> None:
        """Open a connection for a request in a task of its own."""
        self._opening += 1
        self._count_held(caller)
        task = asyncio.get_running_loop().create_task(self._open(slot, caller))
        self._dials[task] = slot
        task.add_done_callback(self._dials.pop)

    async def _open(self, slot: Slot, caller: str | None) -> None:
        owner = caller
        try:
            conn = await self._connect_with_retry()
        except Exception as error:
            # Of any kind: without it the request would wait for ever.
            if not slot.done():
                slot.set_exception(error)
        else:
            if not conn.closed:
                self._members.add(conn)
                conn.owner, owner = owner, None
            if not slot.done():
                slot.set_result(conn)
            elif not conn.closed:
                self._return_idle(conn)
        finally:
            self._opening -= 1
            self._uncount_held(owner)
            self._serve()

    async def _connect_with_retry(self) -> Connection:
        try:
            return await self._connect()
        except UpstreamUnreachableError as error:
            # A refused connection fails at once, and may be a restart: tried once more. One that
            # timed out is not, because the request has waited long already.
            if isinstance(error.__cause__, TimeoutError):
                raise
            return await self._connect()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                return await self._address.connect(lambda: Connection(loop, self._on_lost))
        except ssl.SSLError as error:
            raise UpstreamTLSError(
                "The TLS handshake with MLflow failed, or its certificate is not trusted. Tell the "
                "gateway's operator."
            ) from error
        except TimeoutError as error:
            raise UpstreamUnreachableError("MLflow does not accept connections.") from error
        except OSError as error:
            raise UpstreamUnreachableError("MLflow cannot be reached.") from error
