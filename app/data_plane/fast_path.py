"""Fast path for fully received requests to MLflow, below ASGI.

Most requests have a known credential and a small body or none, and have been received in full. For
such a request tasks, coroutines and ASGI messages cost more than all checks together, so it is sent
to MLflow without them. A task is created only where the rate limit is counted in Redis or refuses
the request, or where a wallet's signature has to be consumed in the database.

The fast path decides nothing. It runs the same checks through the same layers as the ASGI path, and
falls back to that path when one of them would refuse, block or fail: before the request was counted
against the rate limit by starting it there from the beginning, after that by handing it over. So
every refusal has one place that renders it (docs/decisions/0016-fast-path.md).
"""

import asyncio
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.access.identity.middleware import Identity
from app.access.rate_limits.counter import resolve
from app.access.rate_limits.middleware import FailureLimit, RateLimit
from app.core.errors import GatewayError, UpstreamError
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead, RequestLine
from app.core.request.limit_state import LimitState
from app.data_plane.proxy.application import Proxy
from app.data_plane.proxy.path_policy import PREFIX
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.disconnect import ClientGoneError
from app.data_plane.upstream.headers import header_lines
from app.data_plane.upstream.response_head import STATUSES_WITHOUT_BODY
from app.data_plane.upstream.transfer import Transfer
from app.edge.http1.interfaces import ClientConnection
from app.edge.lifecycle import RequestLifecycle
from app.edge.request_rules import RequestRules, check_line

log = structlog.get_logger()


class FastPath:
    """The layers of the gateway, called one after the other without ASGI between them.

    prefix: of the paths that it serves. connections: the open connections of the server, which
    updates the set itself and passes it in with the first of them.
    """

    prefix: Final = PREFIX + b"/"

    def __init__(
        self,
        lifecycle: RequestLifecycle,
        rules: RequestRules,
        failures: FailureLimit,
        identity: Identity,
        limit: RateLimit,
        proxy: Proxy,
        upstream: UpstreamClient,
    ) -> None:
        self.lifecycle = lifecycle
        self.rules = rules
        self.failures = failures
        self.identity = identity
        self.limit = limit
        self.proxy = proxy
        self.upstream = upstream
        self.connections: AbstractSet[ClientConnection] = frozenset()

    def try_handle(
        self, connection: ClientConnection, line: RequestLine, head: RequestHead, body: bytes
    ) -> "FastPathCycle | None":
        """Start a request; None where it has to take the ASGI path.

        connection: of the client. body: the whole body.
        """
        context = self.lifecycle.new_context(head.headers.get(b"x-request-id"), head)
        try:
            check_line(line)
            if not self.identity.authenticate_from_cache(context):
                return None
            request = self.proxy.prepare_without_io(line, context, body)
            if request is None:
                return None
            upstream_head = self.upstream.encode(request)
        except Exception:
            # A refusal, or an internal error: the ASGI path meets the same, and reports it.
            return None
        counted = self.limit.hit(context)
        self.lifecycle.bytes_in += len(body)
        transfer = self.upstream.new_transfer(request, upstream_head)
        return FastPathCycle(self, connection, line, context, transfer, counted)

    def parse_head(self, raw: list[tuple[bytes, bytes]], peer: str) -> RequestHead | None:
        """The head of an HTTP/1.1 request; None where it has to take the ASGI path.

        raw: headers with lower-case names. peer: the address of the connection's other end.
        """
        try:
            head = self.rules.parse_head(raw, "1.1", peer)
        except GatewayError:
            return None
        return None if b"transfer-encoding" in head.headers else head


class FastPathCycle:
    """One request on the fast path, with the attributes that uvicorn expects of its own cycles."""

    __slots__ = (
        "connection",
        "context",
        "disconnected",
        "fast_path",
        "handed_over",
        "keep_alive",
        "line",
        "preparing",
        "response_complete",
        "response_started",
        "transfer",
    )

    more_body: Final = False

    def __init__(
        self,
        fast_path: FastPath,
        connection: ClientConnection,
        line: RequestLine,
        context: RequestContext,
        transfer: Transfer,
        counted: LimitState | asyncio.Future[LimitState],
    ) -> None:
        """counted: the state of the rate limit, or the future of it.

        The request is sent once it is counted, and once a wallet's signature is consumed. One that
        the limit refuses is handed over: a wallet's has been counted on its address already.
        """
        self.fast_path = fast_path
        self.connection = connection
        self.line = line
        self.context = context
        self.transfer: Transfer | None = transfer
        # Runs while Redis or the database is waited for.
        self.preparing: asyncio.Task[None] | None = None
        self.disconnected = self.response_started = self.response_complete = False
        self.handed_over = False
        self.keep_alive = True
        if isinstance(counted, LimitState) and counted.allowed:
            context.limit_state = counted
        if context.limit_state is not None and context.wallet_proof is None:
            transfer.start(self.on_response)
        else:
            self.preparing = asyncio.get_running_loop().create_task(self._prepare(counted))
            self.preparing.add_done_callback(self._on_prepared)

    @property
    def message_event(self) -> "DisconnectEvent":
        """What uvicorn sets when the client has left.

        Made anew for each use: an object that the cycle kept, and that refers to the cycle, would
        be freed by the garbage collector only.
        """
        return DisconnectEvent(self)

    def on_disconnect(self) -> None:
        """End the request if its client has left (`disconnected`)."""
        if self.disconnected and self.transfer is not None:
            self.transfer.fail(ClientGoneError())

    def hand_over(self) -> None:
        """Continue on the ASGI path if there is no response yet: another request waits behind.

        uvicorn reads nothing more from the client then, so that only a task can notice that it
        leaves.
        """
        if not self.response_complete and self.transfer is not None:
            self.transfer.drop_callback()
            self._hand_over()

    async def _prepare(self, counted: LimitState | asyncio.Future[LimitState]) -> None:
        if self.context.limit_state is None:
            self.fast_path.limit.admit(self.context, await resolve(counted))
        if self.context.wallet_proof is not None:
            await self.fast_path.proxy.replay_guard.consume(self.context.wallet_proof)

    def _on_prepared(self, preparing: asyncio.Task[None]) -> None:
        if self.handed_over:
            return
        assert self.transfer is not None
        try:
            if self.disconnected:
                self._finish(0)
            elif preparing.exception() is None:
                self.transfer.start(self.on_response)
            else:
                self._hand_over()
        except Exception:
            self._abort()

    def on_response(self) -> None:
        """Send MLflow's response to the client, or leave it to the ASGI path."""
        assert self.transfer is not None
        try:
            conn = self.transfer.conn
            if self.disconnected:
                self._finish(0)
            elif (
                conn is None
                or not conn.complete
                or conn.response.status >= 400
                or self.connection.write_paused
            ):
                # It is long, an error, or incomplete, or the client is not reading: the ASGI path
                # can wait.
                self._hand_over()
            else:
                self._respond(conn)
        except Exception:
            self._abort()

    def _respond(self, conn: Connection) -> None:
        response, body = conn.response, conn.take_buffered()
        headers = self.fast_path.lifecycle.response_headers(
            self.context, self.context.head.raw, has_date=response.has_date
        )
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        # `has_length` is that of the forwarded headers: MLflow's Connection header may have removed
        # a Content-Length from them.
        if not (
            response.has_length
            or response.status in STATUSES_WITHOUT_BODY
            or self.line.method == "HEAD"
        ):
            headers.append((b"content-length", b"%d" % len(body)))
        parts = (STATUS_LINE[response.status], response.lines, header_lines(headers), b"\r\n", body)
        self.response_started = self.response_complete = True
        self.fast_path.lifecycle.bytes_out += len(body)
        # First the response, for which the client waits, and then metrics and the connection.
        self.connection.respond(b"".join(parts), close=not self.keep_alive)
        self._finish(response.status)

    def _finish(self, status: int) -> None:
        """Give the connection back, and record the request. status: 0 where the client has left."""
        # The client's connection keeps this object until its next request; the body need not stay.
        transfer, self.transfer = self.transfer, None
        assert transfer is not None
        self.fast_path.upstream.release(transfer)
        self.fast_path.lifecycle.finish(self.context, self.line.method, status)

    def _abort(self) -> None:
        """Close the client's connection because of an internal error."""
        log.exception("request.failed", request_id=self.context.request_id)
        if self.transfer is not None:
            self.fast_path.upstream.release(self.transfer)
        self.connection.transport.abort()

    # --- on the ASGI path ---

    def _hand_over(self) -> None:
        self.handed_over = True
        self.connection.hand_over(self, self._run)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        resume = partial(self.fast_path.failures.run, self._resume)
        await self.fast_path.lifecycle.run(resume, scope, receive, send)

    async def _resume(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream, transfer = self.fast_path.upstream, self.transfer
        assert transfer is not None
        try:
            if self.preparing is not None:
                await self.preparing
            await upstream.resume(transfer, receive, send, scope.get("zero_copy"))
        except UpstreamError as error:
            body = transfer.request.body
            await self.fast_path.proxy.raise_explained(error, self.line, self.context, body)
        finally:
            upstream.release(transfer)


class DisconnectEvent:
    """The `set` of an `asyncio.Event`, as uvicorn calls it, for a request on the fast path."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: FastPathCycle) -> None:
        self._cycle = cycle

    def set(self) -> None:
        self._cycle.on_disconnect()
