"""What the parts of the HTTP/1.1 server need of each other, as `typing.Protocol`s.

At run time the protocol, its transport, the zero-copy channel and the fast path refer to one
another. In their annotations they name these types instead of each other's classes, so that no two
modules import each other, and `app.edge` imports nothing of `app.data_plane`.
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
    """What a client's transport and the zero-copy channel need of the protocol.

    cycle: the request that came last. running: the request that is being answered.
    """

    cycle: RequestResponseCycle
    flow: FlowControl
    loop: asyncio.AbstractEventLoop
    parser: Any
    transport: asyncio.Transport

    @property
    def running(self) -> RequestResponseCycle: ...

    def cut_unread(self, seconds: float) -> None: ...

    def send_held(self) -> None: ...


class ClientConnection(Protocol):
    """What the fast path needs of the protocol.

    busy: whether a request is being answered. stalled: whether the client reads nothing of what is
    written for it.
    """

    transport: asyncio.Transport

    @property
    def busy(self) -> bool: ...

    @property
    def stalled(self) -> bool: ...

    def answer(self, data: bytes, *, close: bool) -> None: ...

    def hand_over(self, taken: "FastPathCycle", app: ASGIApp) -> None: ...


class FastPathCycle(Protocol):
    """What the protocol needs of a request on the fast path, besides what uvicorn asks of it."""

    keep_alive: bool

    @property
    def line(self) -> RequestLine: ...

    @property
    def context(self) -> RequestContext: ...

    def yield_way(self) -> None: ...


class FastPath(Protocol):
    """What the protocol needs of the fast path.

    prefix: of the paths that it serves. connections: the server's open connections.
    """

    connections: AbstractSet[ClientConnection]

    @property
    def prefix(self) -> bytes: ...

    def read(self, raw: list[tuple[bytes, bytes]], peer: str) -> RequestHead | None: ...

    def take(
        self, protocol: ClientConnection, line: RequestLine, head: RequestHead, body: bytes
    ) -> FastPathCycle | None: ...
