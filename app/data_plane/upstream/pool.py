"""The connections to one upstream: how many, which are free, and who waits for one."""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from app.core.errors import UpstreamBusyError, UpstreamTLSError, UpstreamUnreachableError
from app.data_plane.upstream.connection import Connection

Slot = asyncio.Future[Connection]


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """max_connections: open or opening. share: the part, above 0 and at most 1, that one caller may
    hold of those that the others leave. All times in seconds."""

    max_connections: int
    queue_timeout: float
    connect_timeout: float
    idle_timeout: float
    share: float = 1.0


class PoolUsage(NamedTuple):
    """connections: how many, by what they do. most: how many there may be. waiting: requests."""

    connections: dict[str, int]
    most: int
    waiting: int


class Pool:
    """At most `max_connections` to one host and port, and of these a share for each caller.

    A caller is any string, and None is the gateway itself, which has no bound but the whole. Those
    who wait take turns by caller; of one caller's requests the first is served first. Nobody waits
    who may have a connection while one is free or can be opened.
    """

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
        # By caller, in the order in which their turns come; nobody is here with nothing waiting.
        self._queues: dict[str | None, deque[tuple[Slot, float]]] = {}
        # How many connections each caller holds, those that are opened for it among them, and how
        # many all do. For the open ones the connection knows its holder, so that the two end
        # together.
        self._held: dict[str, int] = {}
        self._held_by_all = 0
        self._dials: dict[asyncio.Task[None], Slot] = {}
        self._closed = False

    @property
    def empty(self) -> bool:
        return not (self._members or self._opening or self._queues)

    def usage(self) -> PoolUsage:
        """What is in use just now."""
        idle = len(self._idle)
        return PoolUsage(
            {"in_use": len(self._members) - idle, "idle": idle, "opening": self._opening},
            self._limits.max_connections,
            # Prometheus asks from a thread of its own.
            sum(
                not slot.done() for queue in list(self._queues.values()) for slot, _ in list(queue)
            ),
        )

    def idle(self, caller: str | None = None) -> Connection | None:
        """A free connection that may still be used, if there is one and the caller may have it."""
        if not self._may_have(caller):
            return None
        idle = self._idle
        while idle:
            conn, since = idle.popitem()
            age = conn.loop.time() - since
            if age < self._limits.idle_timeout and not conn.transport.is_closing():
                self._hold(caller)
                conn.holder = caller
                return conn
            # Not at once: its end makes room for others, who may be being served just now.
            conn.loop.call_soon(conn.abort)
        return None

    def request(self, caller: str | None = None) -> Slot:
        """A connection for whoever found none free: a new one, or a place in the queue.

        The future raises UpstreamBusyError, UpstreamUnreachableError or UpstreamTLSError. Set an
        exception on it to give up the place.
        """
        loop = asyncio.get_running_loop()
        slot: Slot = loop.create_future()
        if self._closed:
            slot.set_exception(UpstreamUnreachableError("The gateway is shutting down."))
        elif self._has_room() and self._may_have(caller):
            self._dial(slot, caller)
        else:
            self._queues.setdefault(caller, deque()).append((slot, loop.time()))
        return slot

    def release(self, conn: Connection) -> None:
        """Take back a connection whose answer is done with, whatever state it is in."""
        if not conn.reusable or self._closed:
            conn.abort()
            return
        conn.rest()
        self._rest(conn)

    def sweep(self, now: float) -> None:
        """Close what has been idle too long, and send away who has waited too long."""
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
        return len(self._members) + self._opening < self._limits.max_connections

    def _may_have(self, caller: str | None) -> bool:
        """Whether one more would still be within the caller's share of what the others leave.

        Of the whole, two callers could hold all between them. Like this a third finds some.
        """
        held = 0 if caller is None else self._held.get(caller, 0)
        if not held:
            return True
        left = self._limits.max_connections - (self._held_by_all - held)
        return held < left * self._limits.share

    def _busy(self, caller: str | None) -> UpstreamBusyError:
        if caller is None or self._may_have(caller):
            return UpstreamBusyError("All connections to MLflow are in use. Try again.")
        return UpstreamBusyError(
            f"Your requests hold {self._held[caller]} connections to MLflow, as many as one caller "
            "may hold just now. Try again when one of them is over."
        )

    # --- who holds what ---

    def _hold(self, caller: str | None) -> None:
        if caller is not None:
            self._held[caller] = self._held.get(caller, 0) + 1
            self._held_by_all += 1

    def _drop(self, caller: str | None) -> None:
        if caller is not None:
            held = self._held[caller] - 1
            if held:
                self._held[caller] = held
            else:
                del self._held[caller]
            self._held_by_all -= 1

    def _let_go(self, conn: Connection) -> None:
        """A connection has no holder any more. Doing it twice is no error."""
        holder, conn.holder = conn.holder, None
        self._drop(holder)

    def _rest(self, conn: Connection) -> None:
        """A connection is free."""
        self._let_go(conn)
        self._idle[conn] = conn.loop.time()
        self._serve()

    # --- who is next ---

    def _serve(self) -> None:
        """Give those who wait what is free or can be opened."""
        while self._queues and not self._closed and (self._idle or self._has_room()):
            turn = self._turn()
            if turn is None:
                return
            caller, queue = turn
            conn = self.idle(caller)
            if conn is None and not self._has_room():
                return  # what seemed to be free was too old, and makes room at its end
            slot, _ = queue.popleft()
            # Who was served is behind the others from now on.
            del self._queues[caller]
            if queue:
                self._queues[caller] = queue
            if conn is not None:
                slot.set_result(conn)
            else:
                self._dial(slot, caller)

    def _turn(self) -> tuple[str | None, deque[tuple[Slot, float]]] | None:
        """Who is next, and what waits of theirs. Nobody is passed over but who holds a share."""
        for caller, queue in list(self._queues.items()):
            while queue and queue[0][0].done():
                queue.popleft()
            if not queue:
                del self._queues[caller]
            elif self._may_have(caller):
                return caller, queue
        return None

    def _lost(self, conn: Connection) -> None:
        self._idle.pop(conn, None)
        self._members.discard(conn)
        self._let_go(conn)
        self._serve()

    def _dial(self, slot: Slot, caller: str | None) -> None:
        self._opening += 1
        self._hold(caller)
        task = asyncio.get_running_loop().create_task(self._open(slot, caller))
        self._dials[task] = slot
        task.add_done_callback(self._dials.pop)

    async def _open(self, slot: Slot, caller: str | None) -> None:
        holder = caller
        try:
            conn = await self._connect_twice()
        except Exception as error:
            # Whatever it is, somebody waits for it.
            if not slot.done():
                slot.set_exception(error)
        else:
            if not conn.closed:
                self._members.add(conn)
                conn.holder, holder = holder, None
            if not slot.done():
                slot.set_result(conn)
            elif not conn.closed:
                self._rest(conn)
        finally:
            self._opening -= 1
            self._drop(holder)
            self._serve()

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
