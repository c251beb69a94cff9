"""The outermost layer: gives each request its id, and makes an answer of whatever happens inside.

It is the only one that wraps `send`. Every answer gets a date, the request's id, the limit's state
and `nosniff`; every failure the one error shape; every request its place in metrics and log.
"""

import logging
import re
import secrets
import time
from itertools import count
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import GatewayError, InternalError, render
from app.core.redaction import has_secret
from app.core.request.context import RequestContext, context_of
from app.core.request.head import EMPTY_HEAD, RequestHead
from app.core.request.quota import Quota
from app.core.settings import AccessLog
from app.edge.body import discard
from app.edge.cors import CrossOrigin, Headers
from app.edge.date_header import date_header
from app.edge.request_rules import METHODS
from app.telemetry.metrics import Metrics

log = structlog.get_logger()

# A client may bring its own id, as long as it can do no harm in a log.
CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# What is read of a refused request's body, so that the answer survives and the connection too.
UNREAD_BYTES = 256 * 1024
SEND_TIMEOUT = 2.0


class ByteCounts(Protocol):
    """The bytes of one request's bodies that did not pass through ASGI (`scope["zero_copy"]`)."""

    bytes_in: int
    bytes_out: int


class RequestLifecycle:
    """ASGI middleware around the whole gateway."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        access_log: AccessLog,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.access_log = access_log
        self.cross_origin = cross_origin
        # Of bodies, since the start.
        self.bytes_in = self.bytes_out = 0
        # Unique across processes by the first part, within one by the second.
        self._process = secrets.token_hex(6)
        self._count = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        given = [value for name, value in scope["headers"] if name == b"x-request-id"]
        scope["context"] = self.begin(given[0] if given else None)
        await self.conduct(self.app, scope, receive, send)

    def begin(self, given: bytes | None, head: RequestHead = EMPTY_HEAD) -> RequestContext:
        """The exchange of a request. given: the id that the client gave it, if it did."""
        return RequestContext(self._request_id(given), head)

    async def conduct(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run what answers the request, to its end or its failure."""
        context = context_of(scope)
        status = 0
        body_ended = False

        async def hear() -> Message:
            nonlocal body_ended
            message = await receive()
            self.bytes_in += len(message.get("body", b""))
            if not message.get("more_body", False):
                body_ended = True
            return message

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                dated = any(name == b"date" for name, _ in headers)
                headers += self.additions(context, scope["headers"], dated=dated)
            else:
                self.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, hear, reply)
        except ClientDisconnect:
            pass
        except GatewayError as error:
            if status:
                # A cut connection is the only way left to say that the answer is not whole; the
                # server cuts it when an answer is left unfinished.
                self.metrics.aborted.inc()
                log.warning("answer.aborted", request_id=context.request_id, reason=error.reason)
            else:
                unread = None if body_ended else receive
                await self._refuse(error, scope, context, unread, reply)
        except Exception:
            log.exception("request.failed", request_id=context.request_id, route=context.route)
            if not status:
                unread = None if body_ended else receive
                await self._refuse(InternalError(), scope, context, unread, reply)
        zero_copy: ByteCounts | None = scope.get("zero_copy")
        if zero_copy is not None:
            self.bytes_in += zero_copy.bytes_in
            self.bytes_out += zero_copy.bytes_out
        self.end(context, scope["method"], status)

    def additions(self, context: RequestContext, asked: Headers, *, dated: bool) -> Headers:
        """What every answer has. asked: the request's own headers; dated: it has a date already."""
        headers = [
            (b"x-request-id", context.request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        # MLflow's answers bring the date on which it made them.
        if not dated:
            headers.append(date_header())
        if context.quota is not None:
            headers += quota_headers(context.quota)
        if self.cross_origin is not None:
            headers += self.cross_origin.headers(asked)
        return headers

    def end(self, context: RequestContext, method: str, status: int) -> None:
        """Give an exchange that is over its place in metrics and log."""
        seconds = time.perf_counter() - context.began
        self.metrics.observe(
            method if method in METHODS else "other", context.route, status, seconds
        )
        if context.reason is not None:
            self.metrics.count_error(context.reason)
        if self.access_log != "none" and (status >= 400 or self.access_log == "all"):
            self._write(method, context, status, seconds)

    def _request_id(self, given: bytes | None) -> str:
        if given is not None and CLIENT_ID.fullmatch(given):
            request_id = given.decode()
            if not has_secret(request_id):
                return request_id
        return f"{self._process}-{next(self._count):x}"

    async def _refuse(
        self,
        error: GatewayError,
        scope: Scope,
        context: RequestContext,
        unread: Receive | None,
        reply: Send,
    ) -> None:
        """Answer with an error; close the connection if part of the body would stay unread.

        unread: where the rest of the body comes from; None where its end was read, since to read
        on would be to wait for a client that waits for us.
        """
        context.reason = error.reason
        closes = error.closes_connection or not (unread is None or await _read_out(scope, unread))
        await send_error(error, context.request_id, reply, closes=closes)

    def _write(self, method: str, context: RequestContext, status: int, seconds: float) -> None:
        log.log(
            logging.WARNING if status >= 500 else logging.INFO,
            "request",
            request_id=context.request_id,
            method=method,
            route=context.route,
            status=status,
            reason=context.reason,
            milliseconds=round(seconds * 1000, 1),
            principal=context.principal.id if context.principal else None,
            client=context.client,
        )


async def send_error(
    error: GatewayError, request_id: str, send: Send, *, closes: bool = False
) -> None:
    """Send an error as an ASGI response."""
    headers, body = render(error, request_id, closes_connection=closes)
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def quota_headers(quota: Quota) -> list[tuple[bytes, bytes]]:
    """RateLimit-Limit, -Remaining (requests) and -Reset (whole seconds)."""
    return [
        (b"ratelimit-limit", b"%d" % quota.limit),
        (b"ratelimit-remaining", b"%d" % quota.remaining),
        (b"ratelimit-reset", b"%d" % quota.reset_seconds),
    ]


async def _read_out(scope: Scope, receive: Receive) -> bool:
    """Whether nothing of the request's body is left unread, after reading what little there is."""
    length: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"expect":
            # The client waits for our word and has sent nothing; reading would ask for the body.
            return False
        if name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            length = b"chunked"
    if length is None or length == b"0":
        return True
    if length.isdigit() and len(length) < 12 and int(length) > UNREAD_BYTES:
        return False
    return await discard(receive, limit=UNREAD_BYTES, seconds=SEND_TIMEOUT)
