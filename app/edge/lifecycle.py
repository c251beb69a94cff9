"""The outermost ASGI layer: gives each request an id, and turns whatever happens into a response.

Inside of it, no layer wraps `send`. Every response gets a date, the request's id, the state of
the rate limit and `nosniff`; every failure the one error shape; every request is counted in the
metrics and may be logged.
"""

import logging
import math
import re
import secrets
import time
from itertools import count
from typing import Protocol

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.client_address import client_network
from app.core.errors import GatewayError, InternalError
from app.core.redaction import has_secret
from app.core.request.context import RequestContext, context_of
from app.core.request.head import EMPTY_HEAD, RequestHead
from app.core.request.limit_state import LimitState
from app.core.settings import AccessLog
from app.edge.body import discard
from app.edge.cors import CrossOrigin, Headers
from app.edge.date_header import date_header
from app.edge.error_response import send_error
from app.edge.request_rules import METHODS
from app.edge.response_pace import ResponsePace
from app.telemetry.logged_clients import LoggedClients
from app.telemetry.metrics import Metrics

log = structlog.get_logger()

TOO_MANY_REQUESTS = 429
# Seconds that a refusal with 429 is delayed at most, and another response to a request that no
# limit counts, such as a probe, for which a timeout of a second is common.
MAX_REFUSAL_DELAY = 2.0
MAX_PROBE_DELAY = 0.5
# People at one address whose browsers may load a page at once without delay.
PEOPLE = 10

# On a response to a credential: no cache may store it, since another caller could get it from there
# (RFC 9111, section 5.2.2.5).
NO_STORE = (b"cache-control", b"no-store")
# A request id of the client's own is accepted if it can do no harm in a log.
CLIENT_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# What is read of the body of a refused request, in bytes and seconds. A response that leaves a body
# unread closes the connection, and may be lost with it.
MAX_DISCARDED = 256 * 1024
DISCARD_TIMEOUT = 2.0


class ByteCounts(Protocol):
    """The bytes of one request's bodies that did not pass through ASGI (`scope["zero_copy"]`)."""

    bytes_in: int
    bytes_out: int


class RequestLifecycle:
    """ASGI middleware around the whole gateway.

    bytes_in, bytes_out: of all bodies of requests, and of responses, since the start.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        access_log: AccessLog,
        cross_origin: CrossOrigin,
        files: tuple[str, ...] = (),
    ) -> None:
        """files: the beginnings of the paths of public files."""
        self.app = app
        self.metrics = metrics
        self.access_log = access_log
        self.cross_origin = cross_origin
        self.bytes_in = self.bytes_out = 0
        # Request ids: the first part is unique among processes, the second one within a process.
        self._process = secrets.token_hex(6)
        self._count = count(1)
        self._logged = LoggedClients()
        self.refusals = ResponsePace(MAX_REFUSAL_DELAY)
        self.uncounted = ResponsePace(MAX_PROBE_DELAY)
        # A page of MLflow's interface loads some sixty.
        self.files = ResponsePace(MAX_PROBE_DELAY, people=PEOPLE)
        self._file_paths = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        ids = [value for name, value in scope["headers"] if name == b"x-request-id"]
        scope["context"] = self.new_context(ids[0] if ids else None)
        await self.run(self.app, scope, receive, send)

    def new_context(
        self, client_id: bytes | None, head: RequestHead = EMPTY_HEAD
    ) -> RequestContext:
        """The context of a new request. client_id: the request id that the client has sent."""
        return RequestContext(self._request_id(client_id), head)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application that responds to the request, and `finish` the request.

        scope: with the request's context. GatewayErrors of the application are rendered.
        """
        context = context_of(scope)
        status = 0
        body_ended = False

        async def counting_receive() -> Message:
            nonlocal body_ended
            message = await receive()
            self.bytes_in += len(message.get("body", b""))
            if not message.get("more_body", False):
                body_ended = True
            return message

        async def completing_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await self._keep_pace(context, scope, message["status"])
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                is_public = self.cross_origin.is_public(
                    scope["method"], scope["path"], scope["headers"]
                )
                headers += self.response_headers(
                    context, scope["headers"], has_date=b"date" in names, is_public=is_public
                )
                if context.principal is not None and b"cache-control" not in names:
                    headers.append(NO_STORE)
            else:
                self.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, counting_receive, completing_send)
        except ClientDisconnect:
            pass
        except GatewayError as error:
            # The frames that it passed have the body, which is not to stay until the response ends.
            error.__traceback__ = error.__context__ = error.__cause__ = None
            if status:
                # The only way left to say that the response is incomplete is to cut the connection,
                # which the server does when a response is left unfinished.
                self.metrics.aborted.inc()
                log.warning("response.aborted", request_id=context.request_id, reason=error.reason)
            else:
                unread = None if body_ended else receive
                await self._refuse(error, scope, context, unread, completing_send)
        except Exception:
            log.exception("request.failed", request_id=context.request_id, route=context.route)
            if not status:
                unread = None if body_ended else receive
                await self._refuse(InternalError(), scope, context, unread, completing_send)
        zero_copy: ByteCounts | None = scope.get("zero_copy")
        if zero_copy is not None:
            self.bytes_in += zero_copy.bytes_in
            self.bytes_out += zero_copy.bytes_out
        self.finish(context, scope["method"], status)

    def response_headers(
        self,
        context: RequestContext,
        request_headers: Headers,
        *,
        has_date: bool,
        is_public: bool = False,
    ) -> Headers:
        """The headers that the gateway adds to every response.

        request_headers: with lower-case names. has_date: the response has a Date already.
        is_public: the route needs no credential.
        """
        headers = [
            (b"x-request-id", context.request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        # A response of MLflow keeps the date at which MLflow made it.
        if not has_date:
            headers.append(date_header())
        if context.limit_state is not None:
            headers += rate_limit_headers(context.limit_state)
        if context.principal is not None and context.principal.expiry_notice is not None:
            headers.append((b"x-hokusai-key-expires", context.principal.expiry_notice))
        headers += self.cross_origin.headers(request_headers, is_public=is_public)
        return headers

    def finish(self, context: RequestContext, method: str, status: int) -> None:
        """Record a request in metrics and access log. status: 0 if the client left before one."""
        seconds = time.perf_counter() - context.began
        self.metrics.observe(
            method if method in METHODS else "other", context.route, status, seconds
        )
        if context.reason is not None:
            self.metrics.count_error(context.reason)
        if self.access_log != "none" and (status >= 400 or self.access_log == "all"):
            # The metrics count all of them.
            if status == TOO_MANY_REQUESTS and not self._logged.is_first(context.client):
                return
            self._write(method, context, status, seconds)

    async def _keep_pace(self, context: RequestContext, scope: Scope, status: int) -> None:
        """Delay a response of which a client may cause any number: see `ResponsePace`."""
        # Where the head was refused, nothing but the connection's other end is known.
        client = client_network(context.client or (scope.get("client") or ("",))[0])
        if status == TOO_MANY_REQUESTS:
            await self.refusals.wait(client)
        elif context.limit_state is not None:
            return
        elif status < 400 and scope["path"].startswith(self._file_paths):
            await self.files.wait(client)
        elif context.principal is not None:
            # A session, at what comes with every page: not one for all people at an address.
            await self.uncounted.wait(context.principal.id)
        else:
            await self.uncounted.wait(client)

    def _request_id(self, client_id: bytes | None) -> str:
        if client_id is not None and CLIENT_ID.fullmatch(client_id):
            request_id = client_id.decode()
            if not has_secret(request_id):
                return request_id
        return f"{self._process}-{next(self._count):x}"

    async def _refuse(
        self,
        error: GatewayError,
        scope: Scope,
        context: RequestContext,
        unread: Receive | None,
        send: Send,
    ) -> None:
        """Respond with an error; close the connection if part of the body remains unread.

        unread: where the rest of the body comes from; None if its end has been received: reading on
        would wait for a client that waits for the response.
        """
        context.reason = error.reason
        closes = error.closes_connection or not (
            unread is None or await _discard_body(scope, unread)
        )
        await send_error(error, context.request_id, send, closes=closes)

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


def rate_limit_headers(state: LimitState) -> list[tuple[bytes, bytes]]:
    """RateLimit-Limit and -Remaining (requests), and RateLimit-Reset (whole seconds)."""
    return [
        (b"ratelimit-limit", b"%d" % state.limit),
        (b"ratelimit-remaining", b"%d" % state.remaining),
        (b"ratelimit-reset", b"%d" % math.ceil(state.reset)),
    ]


async def _discard_body(scope: Scope, receive: Receive) -> bool:
    """Read a small body to its end; whether nothing of the request's body is left unread."""
    length: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"expect":
            # The client waits for `100 Continue` and has sent nothing; reading would send it one.
            return False
        if name == b"content-length":
            length = value
        elif name == b"transfer-encoding":
            length = b"chunked"
    if length is None or length == b"0":
        return True
    if length.isdigit() and len(length) < 12 and int(length) > MAX_DISCARDED:
        return False
    return await discard(receive, limit=MAX_DISCARDED, seconds=DISCARD_TIMEOUT)
