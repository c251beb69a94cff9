"""GET /api/mlflow/static-files/…: the scripts, styles and fonts of MLflow's web interface.

There are some three hundred, 27 MB together, and each page loads dozens. MLflow would read each of
them from its disk, and send it unpacked, through a thread that a training waits for. So the gateway
keeps what was requested in memory, packed.
"""

import asyncio
import gzip
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import PurePosixPath

from starlette.types import Receive, Scope, Send

from app.core.errors import NotFoundError
from app.data_plane.proxy.interface.policy import PAGE_HEADERS
from app.data_plane.proxy.interface.static_source import StaticSource, is_hashed
from app.data_plane.proxy.path_policy import upstream_target
from app.mlflow.client import MLflowClient

# Bytes of the files in memory: twice what all files of MLflow 3.17 take, packed.
MAX_BYTES = 20 * 1024 * 1024
# What is kept of a file beside its content, in bytes.
OVERHEAD = 500
# Files that are read and packed at a time.
AT_ONCE = 2
# A smaller one is not packed: it fits into one packet anyway.
MIN_PACKED = 1024

TEXT_TYPES = {
    ".cjs": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
BINARY_TYPES = {
    ".eot": "application/vnd.ms-fontobject",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".ttf": "font/ttf",
    ".wasm": "application/wasm",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}
IMMUTABLE = b"public, max-age=31536000, immutable"
# For a file whose name does not change with its content.
SHORT = b"public, max-age=300"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file in memory. content: packed with gzip if `packed`."""

    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes
    packed: bool


class StaticFiles:
    """ASGI application of the routes. Public: the files are those of any MLflow."""

    def __init__(self, mlflow: MLflowClient) -> None:
        self._source = StaticSource(mlflow)
        self._files: OrderedDict[str, StaticFile] = OrderedDict()
        self._bytes = 0
        self._loading: dict[str, asyncio.Task[StaticFile | None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises NotFoundError, and UpstreamError where MLflow has to be asked."""
        path, _ = upstream_target(scope["raw_path"])
        name = path.removeprefix("/static-files/")
        found = await self._get(name)
        if found is None:
            raise NotFoundError(f"MLflow's web interface has no file {name[:200]!r}.")
        accepts = b",".join(v for n, v in scope["headers"] if n == b"accept-encoding")
        headers = list(found.headers)
        content = found.content
        if found.packed:
            if accepts_gzip(accepts):
                headers.append((b"content-encoding", b"gzip"))
            else:
                content = await asyncio.to_thread(gzip.decompress, content)
        headers.append((b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else content
        await send({"type": "http.response.body", "body": body})

    async def _get(self, name: str) -> StaticFile | None:
        found = self._files.get(name)
        if found is not None:
            self._files.move_to_end(name)
            return found
        # Requests for the same file wait for one task.
        task = self._loading.get(name)
        if task is None:
            if not await self._source.has(name):
                return None
            task = self._loading.get(name)
        if task is None:
            task = asyncio.create_task(self._load(name))
            self._loading[name] = task
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        return await asyncio.shield(task)

    async def _load(self, name: str) -> StaticFile | None:
        async with self._slots:
            content = await self._source.read(name)
            if content is None:
                return None
            loaded = await asyncio.to_thread(_pack, name, content)
        self._bytes += len(loaded.content) + OVERHEAD
        self._files[name] = loaded
        while self._bytes > MAX_BYTES:
            _, dropped = self._files.popitem(last=False)
            self._bytes -= len(dropped.content) + OVERHEAD
        return loaded


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding header (RFC 9110, section 12.5.3) allows gzip."""
    for part in accept_encoding.split(b","):
        coding, *parameters = (piece.strip().lower() for piece in part.split(b";"))
        if coding == b"gzip":
            return not any(p.replace(b" ", b"") in (b"q=0", b"q=0.0") for p in parameters)
    return False


def _pack(name: str, content: bytes) -> StaticFile:
    suffix = PurePosixPath(name).suffix.lower()
    text = TEXT_TYPES.get(suffix)
    media_type = f"{text}; charset=utf-8" if text else BINARY_TYPES.get(suffix)
    headers = [
        (b"content-type", (media_type or "application/octet-stream").encode()),
        (b"cache-control", IMMUTABLE if is_hashed(name) else SHORT),
    ]
    if text == "text/html":
        headers += PAGE_HEADERS
    packed = text is not None and len(content) >= MIN_PACKED
    if packed:
        headers.append((b"vary", b"accept-encoding"))
        content = gzip.compress(content, 6, mtime=0)
    return StaticFile(tuple(headers), content, packed)
