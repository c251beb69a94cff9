"""The style, scripts and pictures of pages: kept in memory, compressed once, cached for ever.

The path of a file contains a digest of all of them, so that a browser never uses an old one.
Modules can import each other by their names, since they have one directory.
"""

import gzip
import hashlib
from collections.abc import Awaitable
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import MethodNotAllowedError, NotFoundError
from app.core.request.context import context_of

PREFIX = "/static/"
MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "json": b"application/json",
    "svg": b"image/svg+xml",
}


def _read(directory: Traversable, prefix: str = "") -> dict[str, bytes]:
    """The files below a directory, by their paths."""
    found: dict[str, bytes] = {}
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found |= _read(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA_TYPES:
            found[prefix + entry.name] = entry.read_bytes()
    return found


_FILES = _read(files("app.web").joinpath("static"))
# At the same time on all machines, so that replicas send the same bytes.
_COMPRESSED = {name: gzip.compress(content, 9, mtime=0) for name, content in _FILES.items()}
DIGEST = hashlib.sha256(repr(sorted(_FILES.items())).encode()).hexdigest()[:16]


def static_path(name: str) -> str:
    """The path of a file, such as `style.css`. Raises KeyError where there is none."""
    if name not in _FILES:
        raise KeyError(name)
    return f"{PREFIX}{DIGEST}/{name}"


def static_text(name: str) -> str:
    """What is in a file. Raises KeyError where there is none."""
    return _FILES[name].decode()


class StaticFiles:
    """ASGI middleware that responds to requests for these files, of anybody, without any limit."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    # Not `async`: other requests need no further coroutine.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not scope["path"].startswith(PREFIX):
            return self.app(scope, receive, send)
        return self._send(scope, send)

    async def _send(self, scope: Scope, send: Send) -> None:
        context = context_of(scope)
        context.route = f"{PREFIX}{{path}}"
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowedError(
                f"{scope['method']} is not allowed here; use GET.", headers=[(b"allow", b"GET")]
            )
        digest, _, name = scope["path"].removeprefix(PREFIX).partition("/")
        if name not in _FILES:
            raise NotFoundError("There is no such file.")
        # While replicas are updated, the page may be of one and this request reach another.
        is_current = digest == DIGEST
        caching = b"public, max-age=31536000, immutable" if is_current else b"no-store"
        headers = [
            (b"content-type", MEDIA_TYPES[name.rpartition(".")[2]]),
            (b"cache-control", caching),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"vary", b"accept-encoding"),
        ]
        body = _FILES[name]
        if b"gzip" in context.headers.get(b"accept-encoding", b""):
            body = _COMPRESSED[name]
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": body})
