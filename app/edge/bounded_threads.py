"""Threads for work on documents that would block the event loop for too long."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from app.core.errors import GatewayBusyError, TooManyDocumentsError

P = ParamSpec("P")
R = TypeVar("R")

# How many run at once. Python runs one at a time; the second one uses the time in which the first
# one computes hashes.
THREADS = 2
# How many may wait or run: in all, and for one client address, of which one runs at a time.
MAX_WAITING = 256
MAX_WAITING_OF_ADDRESS = 64


class BoundedThreads:
    """Runs functions in threads: few at once, and one at a time for each client address."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(THREADS)
        self._waiting = 0
        self._lines: dict[str, _Line] = {}

    async def run(
        self, address: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What the function returns.

        address: of the client. Raises what the function raises, TooManyDocumentsError where too
        many of this address wait, and GatewayBusyError where too many wait in all.
        """
        line = self._lines.get(address)
        if line is not None and line.waiting >= MAX_WAITING_OF_ADDRESS:
            raise TooManyDocumentsError(
                f"More than {MAX_WAITING_OF_ADDRESS} large documents from this address wait to be "
                "read. Send fewer at once.",
                retry_after=1,
            )
        if self._waiting >= MAX_WAITING:
            raise GatewayBusyError("Too many large documents wait to be read. Try again.")
        if line is None:
            line = self._lines[address] = _Line()
        line.waiting += 1
        self._waiting += 1
        try:
            async with line.turn, self._free:
                return await asyncio.to_thread(function, *args, **kwargs)
        finally:
            self._waiting -= 1
            line.waiting -= 1
            if line.waiting == 0:
                del self._lines[address]


class _Line:
    """Those of one address that wait or run."""

    __slots__ = ("turn", "waiting")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.waiting = 0
