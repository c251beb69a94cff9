"""Cross-origin requests of browsers (the CORS protocol of the Fetch standard).

Routes that need no credential are open to pages of any origin; all others to those of configured
origins. Always without "credentials" in CORS's sense, which are cookies and the like: callers
authenticate by headers that they set themselves.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import PermissionDeniedError
from app.core.request.context import context_of
from app.edge.request_rules import METHODS

# Seconds for which a browser may remember the response to a preflight request.
PREFLIGHT_MAX_AGE = 600

Headers = list[tuple[bytes, bytes]]


# On the responses of routes that need no credential.
_OPEN: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
]


class CrossOrigin:
    """Which origins may read responses."""

    def __init__(
        self,
        origins: tuple[str, ...],
        public: frozenset[tuple[str, str]],
        public_below: tuple[str, ...] = (),
    ) -> None:
        """origins: each exactly `scheme://host[:port]`, or `*` for all.

        public: the methods and paths that need no credential. public_below: beginnings of paths
        below which every GET needs none.
        """
        self._origins = frozenset(origin.encode() for origin in origins)
        self._public = public
        self._public_below = public_below

    def is_public(self, method: str, path: str, request_headers: Headers) -> bool:
        """Whether a request needs no credential; of a preflight request, the one that it is for.

        request_headers: with lower-case names.
        """
        if method == "OPTIONS":
            for name, value in request_headers:
                if name == b"access-control-request-method":
                    method = value.decode("latin-1")
        return (method, path) in self._public or (
            method == "GET" and path.startswith(self._public_below)
        )

    def allows(self, origin: bytes) -> bool:
        return b"*" in self._origins or origin in self._origins

    def headers(self, request_headers: Headers, *, is_public: bool) -> Headers:
        """The CORS headers of a response, errors included, which pages could not read otherwise.

        request_headers: with lower-case names.
        """
        if is_public:
            return _OPEN
        if not self._origins:
            return []
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
        is_public = self.cross_origin.is_public("OPTIONS", scope["path"], scope["headers"])
        if not is_public and not self.cross_origin.allows(origin):
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
