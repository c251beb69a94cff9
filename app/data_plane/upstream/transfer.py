"""One request on its way to the upstream: its connection, its failure, and what watches it."""

import asyncio
from collections.abc import Callable
from functools import partial

from starlette.types import Receive

from app.core.errors import GatewayError
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.disconnect import wait_for_disconnect
from app.data_plane.upstream.interfaces import ZeroCopyChannel
from app.data_plane.upstream.pool import Pool, Slot
from app.data_plane.upstream.request import UpstreamRequest
from app.data_plane.upstream.spliced_bodies import SplicedResponse, splice_response
from app.data_plane.upstream.timeouts import WATCH_AFTER, TransferLimits
from app.data_plane.upstream.upload import Upload


class Transfer:
    """Everything that belongs to one request, until `release`.

    head: of the request, encoded, with its empty line. conn: the connection, once there is one.
    channel: the client's connection, where large bodies may go past the HTTP parser.
    receive: the client's side (ASGI); None while the client need not be read or watched.
    """

    __slots__ = (
        "_failure",
        "_limits",
        "_loop",
        "_on_response",
        "_pool",
        "_slot",
        "_spliced",
        "_started",
        "_upload",
        "_watcher",
        "channel",
        "conn",
        "head",
        "receive",
        "request",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pool: Pool,
        limits: TransferLimits,
        request: UpstreamRequest,
        head: bytes,
        receive: Receive | None,
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._limits = limits
        self.request = request
        self.head = head
        self.receive = receive
        self._started = loop.time()
        self._failure: Exception | None = None
        # Set from `start` on while it waits for a connection.
        self._slot: Slot | None = None
        self._on_response: Callable[[], None] | None = None
        # Reads the client's side: the body, or whether the client leaves.
        self._watcher: asyncio.Task[None] | None = None
        # Created for a streamed body and for a spliced response only.
        self._upload: Upload | None = None
        self._spliced: SplicedResponse | None = None
        self.channel: ZeroCopyChannel | None = None
        self.conn: Connection | None = None

    # --- sending the request ---

    def start(self, on_response: Callable[[], None]) -> None:
        """Send a request that has no body, or has it in memory, without waiting.

        on_response: called once, and not before this returns: when the response has begun (a small
        one: when it is complete), or when there will be none. Where nothing could be sent, `send`
        continues: it raises the reason, or tries again.
        """
        conn = self._pool.get_idle(self.request.caller)
        if conn is not None:
            self._send_on(conn, on_response)
        else:
            self._on_response = on_response
            self._slot = self._pool.acquire(self.request.caller)
            self._slot.add_done_callback(self._on_slot)

    def _send_on(self, conn: Connection, on_response: Callable[[], None] | None = None) -> None:
        self.conn = conn
        body = self.request.body
        conn.send_request(
            self.head + body if body else self.head,
            bodiless=self.request.method == b"HEAD",
            on_response=on_response,
        )

    def _on_slot(self, slot: Slot) -> None:
        on_response, self._on_response = self._on_response, None
        if on_response is None:
            return  # by now `send` waits for the slot
        self._slot = None
        try:
            conn = self._connection_of(slot)
        except Exception as error:
            self._failure = error
            on_response()
            return
        if conn.closed:
            on_response()
        else:
            self._send_on(conn, on_response)

    def drop_callback(self) -> None:
        """Do not call `on_response` any more."""
        self._on_response = None
        if self.conn is not None:
            self.conn.drop_callback()

    async def send(self, *, fresh: bool) -> Connection:
        """Send the request's head, and the body that is in memory; returns the connection.

        fresh: not on a connection that has carried another request before. Raises what the pool
        raises (see `Pool.acquire`), or the error of `fail`.
        """
        if self._failure is not None:
            raise self._failure
        conn = None if fresh or self._slot else self._pool.get_idle(self.request.caller)
        if conn is None:
            conn = await self._wait_for_connection()
        self._send_on(conn)
        return conn

    async def upload(self) -> Connection:
        """Send a request whose body is streamed; returns once its first piece is on its way.

        Raises BodyTooLargeError, what the pool raises, or the error of `fail`.
        """
        assert self.receive is not None
        self._upload = upload = Upload(
            self._loop,
            self.request,
            self.receive,
            self.channel,
            self._limits,
            connect=partial(self.send, fresh=False),
            on_failure=self.fail,
        )
        self._watcher = self._loop.create_task(upload.run())
        return await upload.opened

    async def _wait_for_connection(self) -> Connection:
        waited = False
        self._slot = slot = self._slot or self._pool.acquire(self.request.caller)
        try:
            await slot
            waited = True
        finally:
            self._slot = None
            if not waited and slot.done() and not slot.cancelled() and not slot.exception():
                self._pool.release(slot.result())
        return self._connection_of(slot)

    def _connection_of(self, slot: Slot) -> Connection:
        """The connection of a slot. Raises the error of a transfer that has failed meanwhile."""
        conn = slot.result()
        if self._failure is not None:
            conn.abort()
            raise self._failure
        return conn

    # --- the client's side ---

    def watch(self, receive: Receive) -> None:
        """Notice from now on when the client leaves. receive: of ASGI."""
        self.receive = receive

    async def _watch(self, receive: Receive) -> None:
        try:
            await wait_for_disconnect(receive)
        except Exception as error:
            self.fail(error)

    @property
    def uploading(self) -> bool:
        """Whether the client has more of its body to send."""
        return self._upload is not None and self._upload.active

    async def discard_upload(self, seconds: float) -> None:
        """Read the rest of the body and forget it, for so many seconds at most."""
        if self.conn is not None:
            self.conn.abort()
        if self._upload is not None:
            await self._upload.discard(seconds)

    # --- a large response, where it may be spliced ---

    def prepare_splice(self, unsent: int) -> SplicedResponse | None:
        """Leave the rest of the response in MLflow's socket, if it can be spliced.

        unsent: bytes of the body that have been read and are not sent yet. Send them, flush and run
        the result, and then call `finish_splice`.
        """
        if self.channel is None or self.conn is None or self.uploading:
            return None
        self._spliced = spliced = splice_response(self.channel, self.conn, unsent)
        return spliced

    def finish_splice(self) -> None:
        """Give back what a spliced response holds. Calling it again does nothing."""
        spliced, self._spliced = self._spliced, None
        if spliced is not None:
            spliced.close()

    # --- timeouts, failure and end ---

    def check_timeouts(self, now: float) -> None:
        """Fail the transfer when a read, write or body timeout has expired.

        To be called periodically. now: the event loop's time.
        """
        receive = self.receive
        if self._watcher is None and receive is not None and now - self._started > WATCH_AFTER:
            self._watcher = self._loop.create_task(self._watch(receive))
        try:
            if self._upload is not None and self._upload.check_timeouts(now):
                return
            if self._spliced is not None and self._spliced.running:
                self._spliced.check_timeouts(now, self._limits)
            else:
                self._check_upstream(now)
        except GatewayError as error:
            self.fail(error)

    def _check_upstream(self, now: float) -> None:
        """Raise UpstreamTimeoutError if the upstream is waited for and is silent too long."""
        conn = self.conn
        if conn is None or not conn.has_waiter or conn.closed:
            return
        unsent = conn.transport.get_write_buffer_size()
        if unsent != conn.unsent:
            conn.unsent = unsent
            conn.last_activity = now
        else:
            patience = 0.0 if conn.head_ready else self.request.patience
            self._limits.check_upstream(now - conn.last_activity - patience)

    def fail(self, error: Exception) -> None:
        """End the transfer: raise the error to whatever waits for a part of it."""
        if self._failure is not None:
            return
        self._failure = error
        if self._slot is not None and not self._slot.done():
            self._slot.set_exception(error)
        if self._upload is not None:
            self._upload.fail(error)
        if self._spliced is not None:
            self._spliced.fail(error)
        if self.conn is not None:
            self.conn.fail(error)

    def release(self) -> None:
        """Give the connection back to the pool, or close it if anything on it is unfinished."""
        uploading = self.uploading
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.close_splice()
        self.finish_splice()
        conn, self.conn = self.conn, None
        if conn is None:
            return
        conn.drop_callback()
        if uploading:
            conn.abort()
        else:
            self._pool.release(conn)
