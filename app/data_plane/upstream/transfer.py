"""One request on its way through the gateway: its body going up, and who watches the client."""

import asyncio
from collections.abc import Callable

from starlette.types import Receive

from app.core.errors import (
    BodyTooLargeError,
    GatewayError,
    MalformedRequestError,
    SlowRequestError,
    UpstreamTimeoutError,
)
from app.core.min_rate import MinimumDataRate
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.interfaces import ZeroCopyChannel
from app.data_plane.upstream.pool import Pool, Slot
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.splice import MIN_SIZE, Splice, splice_between

# A client that is still waiting after this many seconds is watched for leaving. Most requests are
# over by then, and never cost the task that watches.
WATCH_AFTER = 0.05
# The end of a spliced answer is copied all the same, in bytes: whether MLflow sends more than it
# said is seen only of what is read, and must be known before the client has all it was promised.
TAIL = 64 * 1024
UNREAD = "The client stopped reading the answer."


class ClientGoneError(GatewayError):
    """The client has left; nobody reads an answer any more."""


class Transfer:
    """What is known of one request while it lasts.

    receive: the client's side (ASGI), or None when nobody has to be watched or read.
    """

    __slots__ = (
        "_body_gap",
        "_discarding",
        "_failure",
        "_listener",
        "_loop",
        "_max_body",
        "_opened",
        "_pace",
        "_pool",
        "_receive",
        "_receiving",
        "_slot",
        "_splice",
        "_started",
        "_task",
        "_uploaded",
        "conn",
        "head",
        "request",
        "zero_copy",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pool: Pool,
        request: UpstreamRequest,
        head: bytes,
        receive: Receive | None,
        body_timeout: float,
        max_body: int,
    ) -> None:
        self._loop = loop
        self._pool = pool
        self.request = request
        self._receive = receive
        self._body_gap = body_timeout
        self._max_body = max_body
        self._started = loop.time()
        self._failure: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self._slot: Slot | None = None
        # Who is to be called for the answer's head, until there is a connection to hear it on.
        self._listener: Callable[[], None] | None = None
        self._opened: Slot | None = None
        self._uploaded: asyncio.Future[None] | None = None
        self._receiving: float | None = None
        self._discarding = False
        self._splice: Splice | None = None
        # The client's connection, where its bodies may go around the parser.
        self.zero_copy: ZeroCopyChannel | None = None
        self.conn: Connection | None = None
        # On the wire, with its empty line.
        self.head = head

    # --- from the start to the answer's head ---

    def begin(self, listener: Callable[[], None]) -> None:
        """Send a request whose body is in memory, or that has none, without waiting for anything.

        listener: called once, and not before this returns, when the answer is whole, has begun, or
        will not come. If nothing could be sent, `send` goes on from there: it raises why, or tries
        again.
        """
        conn = self._pool.idle(self.request.caller)
        if conn is not None:
            self._start(conn, listener)
        else:
            self._listener = listener
            self._slot = self._pool.request(self.request.caller)
            self._slot.add_done_callback(self._start_on)

    def _start(self, conn: Connection, listener: Callable[[], None] | None = None) -> None:
        self.conn = conn
        body = self.request.body
        conn.start(
            self.head + body if body else self.head,
            bodiless=self.request.method == b"HEAD",
            listener=listener,
        )

    def _start_on(self, slot: Slot) -> None:
        listener, self._listener = self._listener, None
        if listener is None:
            return  # somebody else waits for the slot by now
        self._slot = None
        try:
            conn = self._given(slot)
        except Exception as error:
            self._failure = error
            listener()
            return
        if conn.closed:
            listener()
        else:
            self._start(conn, listener)

    def unheard(self) -> None:
        """Call no listener any more."""
        self._listener = None
        if self.conn is not None:
            self.conn.unheard()

    def watch(self, receive: Receive) -> None:
        """Look from now on whether the client leaves."""
        self._receive = receive

    async def send(self, *, fresh: bool) -> Connection:
        """Send a request whose body is in memory, or that has none.

        fresh: not on a connection that has carried another request before.
        """
        if self._failure is not None:
            raise self._failure
        conn = None if fresh or self._slot else self._pool.idle(self.request.caller)
        if conn is None:
            conn = await self._wait_for_connection()
        self._start(conn)
        return conn

    async def upload(self) -> Connection:
        """Send a request whose body streams; returns when the first of it is on its way."""
        if (self.request.content_length or 0) > self._max_body:
            raise BodyTooLargeError(f"The body is larger than {self._max_body} bytes.")
        self._opened = self._loop.create_future()
        self._uploaded = self._loop.create_future()
        self._pace = MinimumDataRate(self._body_gap)
        self._task = self._loop.create_task(self._pump())
        return await self._opened

    async def _wait_for_connection(self) -> Connection:
        waited = False
        self._slot = slot = self._slot or self._pool.request(self.request.caller)
        try:
            await slot
            waited = True
        finally:
            self._slot = None
            if not waited and slot.done() and not slot.cancelled() and not slot.exception():
                self._pool.release(slot.result())
        return self._given(slot)

    def _given(self, slot: Slot) -> Connection:
        """The connection of a slot, unless the transfer has failed meanwhile."""
        conn = slot.result()
        if self._failure is not None:
            conn.abort()
            raise self._failure
        return conn

    # --- the client's side ---

    async def _pump(self) -> None:
        try:
            await self._send_body()
            self._finish_upload()
            await self._watch()
        except Exception as error:
            self.fail(error)
        finally:
            self._finish_upload()

    def _finish_upload(self) -> None:
        if self._uploaded is not None and not self._uploaded.done():
            self._uploaded.set_result(None)

    async def _send_body(self) -> None:
        conn: Connection | None = None
        chunked, length = self.request.chunked, self.request.content_length or 0
        sent, more = 0, True
        zero_copy = self.zero_copy
        while more:
            chunk, more = await self._next_chunk()
            if self._discarding:
                continue
            sent += len(chunk)
            if chunked and sent > self._max_body:
                raise BodyTooLargeError(f"The body is larger than {self._max_body} bytes.")
            if not chunked and (sent > length or (sent < length and not more)):
                raise MalformedRequestError("The body does not have its Content-Length.")
            # At once, while nothing more can have been read.
            held = zero_copy is not None and length - sent > MIN_SIZE and zero_copy.hold_body()
            if chunked and chunk:
                pieces = [b"%x\r\n" % len(chunk), chunk, b"\r\n"]
            else:
                pieces = [chunk] if chunk else []
            if chunked and not more:
                pieces.append(b"0\r\n\r\n")
            if conn is None:
                # Not before the first of the body is here: a client that sends a head and then
                # nothing holds no connection.
                conn = self._pool.idle(self.request.caller)
                conn = conn or await self._wait_for_connection()
                self.conn = conn
                conn.start(self.head, bodiless=self.request.method == b"HEAD")
                if self._opened is not None and not self._opened.done():
                    self._opened.set_result(conn)
            if pieces:
                conn.write(*pieces)
                await conn.drain()
            if held:
                moved = await self._splice_body(conn, length - sent)
                if not moved:
                    zero_copy = None  # it cannot be done, as to an MLflow behind TLS
                sent += moved
        if conn is not None:
            # The upstream's turn begins here, however long the client took.
            conn.touched = self._loop.time()

    async def _splice_body(self, conn: Connection, size: int) -> int:
        """Let the rest of the body go past this process: how much of it has gone."""
        assert self.zero_copy is not None
        splice = splice_between(self.zero_copy.transport, conn.transport, size, drains=True)
        if splice is None:
            return 0
        self._splice = splice
        if self._discarding:
            splice.discard()
        try:
            await conn.flush()
            moved = await splice.run()
        finally:
            self._leave_splice()
        if moved == size:
            self.zero_copy.end_body()
        return moved

    async def _next_chunk(self) -> tuple[bytes, bool]:
        assert self._receive is not None
        self._receiving = self._loop.time()
        message = await self._receive()
        waited, self._receiving = self._loop.time() - self._receiving, None
        if message["type"] == "http.disconnect":
            raise ClientGoneError("The client left.")
        chunk, more = message.get("body", b""), message.get("more_body", False)
        if more:
            self._pace.record(len(chunk), waited)
        return chunk, more

    async def _watch(self) -> None:
        """Return never; raise ClientGoneError when the client leaves."""
        assert self._receive is not None
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientGoneError("The client left.")

    async def _watch_task(self) -> None:
        try:
            await self._watch()
        except Exception as error:
            self.fail(error)

    # --- the answer's body, where it may go past this process ---

    def prepare_answer(self, size: int) -> bool:
        """Leave the rest of the body in the socket, if it can be spliced.

        size: of what was read last and is not sent yet. Asked before more of it is waited for.
        """
        conn, zero_copy = self.conn, self.zero_copy
        if conn is None or zero_copy is None or conn.closed or conn.remaining <= MIN_SIZE + TAIL:
            return False
        if self.uploading or not zero_copy.takes(size + conn.remaining):
            return False
        self._splice = splice_between(conn.transport, zero_copy.transport, conn.remaining - TAIL)
        if self._splice is None:
            return False
        conn.hold()
        return True

    async def flush_answer(self) -> None:
        """Wait until the client's socket has what was sent."""
        assert self.zero_copy is not None
        await self.zero_copy.flush()

    async def splice_answer(self) -> None:
        """Splice what `prepare_answer` has left in the socket, but for its end."""
        splice, conn, zero_copy = self._splice, self.conn, self.zero_copy
        assert splice is not None
        assert conn is not None
        assert zero_copy is not None
        try:
            moved = await splice.run()
        except OSError:
            zero_copy.leave()
            raise ClientGoneError("The client left.") from None
        finally:
            self._leave_splice()
        conn.skip(moved)

    # --- in the middle ---

    def _leave_splice(self) -> None:
        """Give a splice back, and count what went through it, whatever became of the rest."""
        splice, self._splice = self._splice, None
        if splice is None:
            return
        splice.close()
        assert self.zero_copy is not None
        if self.uploading:
            self.zero_copy.count_body(splice.moved)
        else:
            self.zero_copy.count_answer(splice.moved)

    @property
    def uploading(self) -> bool:
        """Whether the client has more of its body to send."""
        return self._uploaded is not None and not self._uploaded.done()

    async def discard_upload(self, seconds: float) -> None:
        """Read and forget the rest of the body, for a while.

        A socket that is closed with unread bytes resets the connection, and the client might lose
        the answer that it was about to read.
        """
        assert self._uploaded is not None
        self._discarding = True
        if self._splice is not None:
            self._splice.discard()
        if self.conn is not None:
            self.conn.abort()
        await asyncio.wait([self._uploaded], timeout=seconds)

    def check(self, now: float, read_timeout: float) -> None:
        """Called every now and then: see whether anybody has been silent for too long."""
        if self._task is None and self._receive is not None and now - self._started > WATCH_AFTER:
            self._task = self._loop.create_task(self._watch_task())
        if self._splice is not None and self._splice.running:
            self._check_splice(self._splice, now, read_timeout)
            return
        if self._receiving is not None:
            try:
                self._check_gap(now - self._receiving)
            except SlowRequestError as error:
                self.fail(error)
            return
        conn = self.conn
        if conn is None or not conn.waiting or conn.closed:
            return
        unsent = conn.transport.get_write_buffer_size()
        if unsent != conn.unsent:
            conn.unsent = unsent
            conn.touched = now
        elif now - conn.touched > read_timeout:
            self.fail(UpstreamTimeoutError(f"MLflow was silent for {read_timeout:g} seconds."))

    def _check_gap(self, silent: float) -> None:
        if silent > self._body_gap:
            raise SlowRequestError(f"The body stopped for more than {self._body_gap:g} seconds.")

    def _check_splice(self, splice: Splice, now: float, read_timeout: float) -> None:
        if now - splice.touched > WATCH_AFTER:
            splice.look()
            if not splice.running:
                return
        silent = now - splice.touched
        if self.uploading:
            self._check_upload(splice, silent, read_timeout)
        elif splice.blocked:
            assert self.zero_copy is not None
            self.zero_copy.unread(silent)
            if silent > read_timeout:
                self.fail(SlowRequestError(UNREAD))
        elif self.conn is None or self.conn.closed:
            splice.close()  # who reads on is told why
        elif silent > read_timeout:
            self.fail(UpstreamTimeoutError(f"MLflow was silent for {read_timeout:g} seconds."))

    def _check_upload(self, splice: Splice, silent: float, read_timeout: float) -> None:
        if self.conn is None or self.conn.closed:
            splice.discard()
        if splice.blocked:
            # Nothing is read, so that the end of the connection does not come up by itself.
            if splice.deserted():
                self.fail(ClientGoneError("The client left."))
            elif silent > read_timeout:
                self.fail(UpstreamTimeoutError(f"MLflow was silent for {read_timeout:g} seconds."))
            return
        try:
            self._check_gap(silent)
            self._pace.record(*splice.progress())
        except SlowRequestError as error:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """End the transfer: whoever waits for anything of it gets the error."""
        if self._failure is not None:
            return
        self._failure = error
        for future in (self._slot, self._opened):
            if future is not None and not future.done():
                future.set_exception(error)
        if self._splice is not None:
            self._splice.fail(error)
        if self.conn is not None:
            self.conn.fail(error)

    def finish(self) -> None:
        """Give the connection back, or cut it if anything on it is not over."""
        uploading = self.uploading
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._leave_splice()
        conn, self.conn = self.conn, None
        if conn is None:
            return
        conn.unheard()
        if uploading:
            conn.abort()
        else:
            self._pool.release(conn)
