"""Cross-origin requests of browsers (the CORS protocol of the Fetch standard), where configured.

Always without "credentials" in CORS's sense, which are cookies and the like: callers authenticate
by headers that they set themselves.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import PermissionDeniedError
from app.core.request.context import context_of
from app.edge.request_rules import METHODS

# Seconds for which a browser may remember the response to a preflight request.
PREFLIGHT_MAX_AGE = 600

Headers = list[tuple[bytes, bytes]]


class CrossOrigin:
    """Which origins may read responses."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """origins: each exactly `scheme://host[:port]`, or `*` for all."""
        self._origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes) -> bool:
        return b"*" in self._origins or origin in self._origins

    def headers(self, request_headers: Headers) -> Headers:
        """The CORS headers of a response, errors included, which pages could not read otherwise.

        request_headers: with lower-case names.
        """
        headers: Headers = [(b"vary", b"origin")]
        for name, value in request_headers:
            if name == b"origin" and self.allows(value):
                headers.append((b"access-control-allow-origin", value))
                headers.append((b"access-control-expose-headers", b"*"))
        return headers


class Preflight:
    """ASGI middleware that responds to preflight requests.

    By these, which carry no API key, a browser asks whether a page may send the actual request.
    Raises PermissionDeniedError for an origin that is not allowed.
    """

    def __init__(self, app: ASGIApp, cross_origin: CrossOrigin) -> None:
        self.app = app
        self.cross_origin = cross_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = context_of(scope).headers
        origin = headers.get(b"origin")
        if (
            scope["method"] != "OPTIONS"
            or origin is None
            or b"access-control-request-method" not in headers
        ):
            await self.app(scope, receive, send)
            return
        if not self.cross_origin.allows(origin):
            raise PermissionDeniedError(
                "Pages of this origin may not call the gateway. Its operator can add the origin to "
                "HOKUSAI_CORS_ORIGINS."
            )
        response_headers = [
            (b"access-control-allow-methods", ", ".join(sorted(METHODS)).encode()),
            # Repeated from the request, because `*` would not cover Authorization.
            (b"access-control-allow-headers", headers.get(b"access-control-request-headers", b"")),
            (b"access-control-max-age", b"%d" % PREFLIGHT_MAX_AGE),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": response_headers})
        await send({"type": "http.response.body", "body": b""})
