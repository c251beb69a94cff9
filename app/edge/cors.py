"""Cross-origin requests of browsers (the CORS protocol of the Fetch standard), where configured.

No credentials in its sense: a caller proves who it is by headers that it sets itself, never by
cookies.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import PermissionDeniedError
from app.core.request.context import context_of
from app.edge.request_rules import METHODS

PREFLIGHT_SECONDS = 600

Headers = list[tuple[bytes, bytes]]


class CrossOrigin:
    """Which origins may read answers: exact `scheme://host[:port]`, or `*` for all."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def allows(self, origin: bytes) -> bool:
        return b"*" in self._origins or origin in self._origins

    def headers(self, asked: Headers) -> Headers:
        """What an answer says to the browser; it goes on refusals too, so that they can be read.

        asked: the request's own headers, with lower-case names.
        """
        headers: Headers = [(b"vary", b"origin")]
        for name, value in asked:
            if name == b"origin" and self.allows(value):
                headers.append((b"access-control-allow-origin", value))
                headers.append((b"access-control-expose-headers", b"*"))
        return headers


class Preflight:
    """Answers a browser's question whether it may send a request; it comes without credentials."""

    def __init__(self, app: ASGIApp, cross_origin: CrossOrigin) -> None:
        self.app = app
        self.cross_origin = cross_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = context_of(scope).headers
        origin = asked.get(b"origin")
        if (
            scope["method"] != "OPTIONS"
            or origin is None
            or b"access-control-request-method" not in asked
        ):
            await self.app(scope, receive, send)
            return
        if not self.cross_origin.allows(origin):
            raise PermissionDeniedError(
                "Pages of this origin may not call the gateway: it is not in HOKUSAI_CORS_ORIGINS."
            )
        headers = [
            (b"access-control-allow-methods", ", ".join(sorted(METHODS)).encode()),
            # Named one by one: `*` would not cover Authorization.
            (b"access-control-allow-headers", asked.get(b"access-control-request-headers", b"")),
            (b"access-control-max-age", b"%d" % PREFLIGHT_SECONDS),
        ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
