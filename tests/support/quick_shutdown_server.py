"""uvicorn, without the delays in its shutdown."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import uvicorn

# Between two checks whether the connections are closed.
_POLL_SECONDS = 0.002


class QuickShutdownServer(uvicorn.Server):
    """Stops as soon as `stop` is called, for tests that start hundreds of servers.

    uvicorn itself polls ten times a second, and waits another tenth even without an open
    connection. The steps are the same: it closes its listeners and idle connections, waits for the
    others and their tasks for the grace period, and ends the application's lifespan.

    loop: where it runs, once it has started.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stopping = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Begin the shutdown; from any thread. The server must have started, and may have ended."""
        assert self.loop is not None
        # A test may have ended it; the loop can be closed at any moment then.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        listeners: list[Any] = [*self.servers, *(sockets or [])]
        for listener in listeners:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                # uvicorn does not notify when they are closed.
                while state.connections or state.tasks:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            for task in state.tasks:
                task.cancel("the grace period is over")
        await self.lifespan.shutdown()
