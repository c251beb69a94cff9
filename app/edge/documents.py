"""Documents of requests that the gateway has to have in memory: received and read within bounds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from starlette.types import Receive

from app.core.client_address import client_network
from app.core.request.context import RequestContext
from app.edge.body import BodyInMemory, read_body
from app.edge.bounded_threads import BoundedThreads
from app.edge.held_memory import HeldMemory

P = ParamSpec("P")
R = TypeVar("R")

# Bytes of all bodies that are in memory until their requests end, and of those of one client
# address: twelve of the largest documents.
MAX_HELD = 64 * 1024 * 1024
MAX_HELD_OF_ADDRESS = 24 * 1024 * 1024
# Bytes of a document that the event loop may read itself: in a millisecond.
MAX_INLINE = 16 * 1024


class Documents:
    """What both planes use to receive a document and to work on it.

    body_timeout: seconds, as HOKUSAI_BODY_TIMEOUT. held: the bytes of bodies in memory.
    """

    def __init__(self, body_timeout: float) -> None:
        self.body_timeout = body_timeout
        self.held = HeldMemory(total=MAX_HELD, per_address=MAX_HELD_OF_ADDRESS)
        self._threads = BoundedThreads()

    @contextmanager
    def body_of(self, context: RequestContext) -> Iterator[BodyInMemory]:
        """The body of a request, to be read; its memory counts until the end of the block."""
        body = BodyInMemory(self.held, client_network(context.client))
        try:
            yield body
        finally:
            body.holding.release()

    async def receive(self, body: BodyInMemory, receive: Receive, *, limit: int) -> bytes:
        """All of a body: see `read_body`."""
        return await read_body(receive, body, limit=limit, body_timeout=self.body_timeout)

    async def work(
        self,
        context: RequestContext,
        size: int,
        function: Callable[P, R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """What a function returns that works on a document of `size` bytes; a large one, in a
        thread. Raises as `BoundedThreads.run`."""
        if size <= MAX_INLINE:
            return function(*args, **kwargs)
        return await self._threads.run(client_network(context.client), function, *args, **kwargs)
