"""What the parts of the HTTP/1.1 server need of each other, as `typing.Protocol`s for annotations.

At run time the protocol, its transport, the zero-copy channel and the fast path refer to one
another. In annotations they name these types instead of each other's classes, so that no two
modules import each other, and `app.edge` imports nothing of `app.data_plane`. Nothing is checked at
run time.
"""

import asyncio
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from starlette.types import ASGIApp
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.core.request.context import RequestContext
from app.core.request.head import RequestHead, RequestLine


class ServerConnection(Protocol):
    """`StrictProtocol`, as the client's transport and the zero-copy channel use it."""

    cycle: RequestResponseCycle
    flow: FlowControl
    loop: asyncio.AbstractEventLoop
    parser: Any
    transport: asyncio.Transport

    @property
    def running(self) -> RequestResponseCycle: ...

    def check_send_timeout(self, silent: float) -> None: ...

    def flush_head(self) -> None: ...


class ClientConnection(Protocol):
    """`StrictProtocol`, as the fast path and the metrics use it."""

    transport: asyncio.Transport

    @property
    def busy(self) -> bool: ...

    @property
    def write_paused(self) -> bool: ...

    def respond(self, data: bytes, *, close: bool) -> None: ...

    def hand_over(self, replaced: "FastPathCycle", app: ASGIApp) -> None: ...


class FastPathCycle(Protocol):
    """`app.data_plane.fast_path.FastPathCycle`, as the protocol uses it.

    It also has the attributes that uvicorn expects of its own cycles.
    """

    keep_alive: bool

    @property
    def line(self) -> RequestLine: ...

    @property
    def context(self) -> RequestContext: ...

    def hand_over(self) -> None: ...


class FastPath(Protocol):
    """`app.data_plane.fast_path.FastPath`, as the protocol uses it."""

    connections: AbstractSet[ClientConnection]

    @property
    def prefix(self) -> bytes: ...

    def parse_head(self, raw: list[tuple[bytes, bytes]], peer: str) -> RequestHead | None: ...

    def try_handle(
        self, connection: ClientConnection, line: RequestLine, head: RequestHead, body: bytes
    ) -> FastPathCycle | None: ...
