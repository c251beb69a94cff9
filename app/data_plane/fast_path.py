"""The short way to MLflow, below ASGI, of a request that is here whole.

Such a request is most of the traffic: a known key, and a small body or none. It takes no task, no
coroutine and no ASGI message, which cost more than all the rules together; a small task only where
Redis counts it, or the database has to note that its signature is spent. The rules are those of the
ordinary way, asked through the same layers; nothing is decided here. Whatever does not go well
leaves this way, and begins again on the ordinary one, or goes on there if it was counted: that one
knows how to refuse and to tell (docs/decisions/0016-fast-path.md).
"""

import asyncio
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.access.identity.middleware import Identity
from app.access.rate_limits.middleware import FailureLimit, RateLimit
from app.core.errors import GatewayError
from app.core.request.context import RequestContext
from app.core.request.head import RequestHead, RequestLine
from app.core.request.quota import Quota
from app.data_plane.proxy.application import Proxy
from app.data_plane.proxy.path_policy import PREFIX
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.headers import header_lines
from app.data_plane.upstream.response_head import BODILESS
from app.data_plane.upstream.transfer import ClientGoneError, Transfer
from app.edge.http1.interfaces import ClientConnection
from app.edge.lifecycle import RequestLifecycle
from app.edge.request_rules import RequestRules, check_line

log = structlog.get_logger()


class FastPath:
    """The layers of the gateway, without ASGI between them."""

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
        # The server's open connections; it keeps the set, and shows it with the first of them.
        self.connections: AbstractSet[ClientConnection] = frozenset()

    def take(
        self, protocol: ClientConnection, line: RequestLine, head: RequestHead, body: bytes
    ) -> "FastPathCycle | None":
        """Send a request on its way; None where it has to take the ordinary one.

        body: all of it.
        """
        context = self.lifecycle.begin(head.headers.get(b"x-request-id"), head)
        try:
            check_line(line)
            if not self.identity.authenticate_from_cache(context):
                return None
            request = self.proxy.prepare_without_io(line, context, body)
            if request is None:
                return None
            upstream_head = self.upstream.encode(request)
        except Exception:
            # Refusals, and faults of ours: both come again on the ordinary way, and are told there.
            return None
        counted = self.limit.hit(context)
        if isinstance(counted, Quota) and not counted.allowed:
            return None  # which is not counted, here or there
        self.lifecycle.bytes_in += len(body)
        transfer = self.upstream.begin(request, upstream_head)
        return FastPathCycle(self, protocol, line, context, transfer, counted)

    def read(self, raw: list[tuple[bytes, bytes]], peer: str) -> RequestHead | None:
        """The head of a request of HTTP/1.1; None where it has to take the ordinary way."""
        try:
            head = self.rules.read(raw, "1.1", peer)
        except GatewayError:
            return None
        return None if b"transfer-encoding" in head.headers else head


class FastPathCycle:
    """One request on the short way, with what uvicorn's protocol asks of a cycle of its own.

    counted: what the limit says of it. Nothing is sent before that is known, and before a signature
    is spent.
    """

    __slots__ = (
        "context",
        "disconnected",
        "fast_path",
        "handed_over",
        "keep_alive",
        "line",
        "preparing",
        "protocol",
        "response_complete",
        "response_started",
        "transfer",
    )

    more_body: Final = False

    def __init__(
        self,
        fast_path: FastPath,
        protocol: ClientConnection,
        line: RequestLine,
        context: RequestContext,
        transfer: Transfer,
        counted: Quota | asyncio.Future[Quota],
    ) -> None:
        self.fast_path = fast_path
        self.protocol = protocol
        self.line = line
        self.context = context
        self.transfer: Transfer | None = transfer
        # Runs while Redis or the database are waited for.
        self.preparing: asyncio.Task[None] | None = None
        self.disconnected = self.response_started = self.response_complete = False
        self.handed_over = False
        self.keep_alive = True
        if isinstance(counted, Quota):
            context.quota = counted
        if context.quota is not None and context.wallet_proof is None:
            transfer.begin(self.answered)
        else:
            self.preparing = asyncio.get_running_loop().create_task(self._prepare(counted))
            self.preparing.add_done_callback(self._prepared)

    @property
    def message_event(self) -> "FastPathCycle":
        """What uvicorn sets when something has happened to the client's side: see `set`.

        Made anew each time: an object that holds itself is left to the garbage collector.
        """
        return self

    def set(self) -> None:
        """The client's side has changed: if it is gone, so is the request."""
        if self.disconnected and self.transfer is not None:
            self.transfer.fail(ClientGoneError("The client left."))

    def yield_way(self) -> None:
        """Go on the ordinary way, if the answer is not here yet: another request waits behind.

        Nothing more is read of the client then, so that somebody has to watch whether it leaves.
        """
        if not self.response_complete and self.transfer is not None:
            self.transfer.unheard()
            self._hand_over()

    async def _prepare(self, counted: Quota | asyncio.Future[Quota]) -> None:
        if not isinstance(counted, Quota):
            self.fast_path.limit.admit(self.context, await counted)
        if self.context.wallet_proof is not None:
            await self.fast_path.proxy.replay_guard.consume(self.context.wallet_proof)

    def _prepared(self, preparing: asyncio.Task[None]) -> None:
        if self.handed_over:
            return
        assert self.transfer is not None
        try:
            if self.disconnected:
                self._end(0)
            elif preparing.exception() is None:
                self.transfer.begin(self.answered)
            else:
                self._hand_over()
        except Exception:
            self._break_off()

    def answered(self) -> None:
        """MLflow's answer is here, or will not come."""
        assert self.transfer is not None
        try:
            conn = self.transfer.conn
            if self.disconnected:
                self._end(0)
            elif (
                conn is None
                or not conn.complete
                or conn.answer.status >= 400
                or self.protocol.stalled
            ):
                # Long, refused, broken off, or nobody to take it: that is for who can wait.
                self._hand_over()
            else:
                self._answer(conn)
        except Exception:
            self._break_off()

    def _answer(self, conn: Connection) -> None:
        answer, body = conn.answer, conn.take()
        headers = self.fast_path.lifecycle.additions(
            self.context, self.context.head.raw, dated=answer.dated
        )
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        # Looked for here, and not in what MLflow sent: its Connection header may take it away.
        if not (answer.sized or answer.status in BODILESS or self.line.method == "HEAD"):
            headers.append((b"content-length", b"%d" % len(body)))
        parts = (STATUS_LINE[answer.status], answer.lines, header_lines(headers), b"\r\n", body)
        self.response_started = self.response_complete = True
        self.fast_path.lifecycle.bytes_out += len(body)
        # The client waits for this, and nobody for what is put in order after it.
        self.protocol.answer(b"".join(parts), close=not self.keep_alive)
        self._end(answer.status)

    def _end(self, status: int) -> None:
        # The connection may be silent for long after this, and a body is in here.
        transfer, self.transfer = self.transfer, None
        assert transfer is not None
        self.fast_path.upstream.end(transfer)
        self.fast_path.lifecycle.end(self.context, self.line.method, status)

    def _break_off(self) -> None:
        """A fault of ours, of which the client learns by the end of the connection."""
        log.exception("request.failed", request_id=self.context.request_id)
        if self.transfer is not None:
            self.fast_path.upstream.end(self.transfer)
        self.protocol.transport.abort()

    def _hand_over(self) -> None:
        self.handed_over = True
        self.protocol.hand_over(self, self._proceed)

    async def _proceed(self, scope: Scope, receive: Receive, send: Send) -> None:
        rest = partial(self.fast_path.failures.run, self._rest)
        await self.fast_path.lifecycle.conduct(rest, scope, receive, send)

    async def _rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        upstream, transfer = self.fast_path.upstream, self.transfer
        assert transfer is not None
        try:
            if self.preparing is not None:
                await self.preparing
            await upstream.proceed(transfer, receive, send, scope.get("zero_copy"))
        finally:
            upstream.end(transfer)
