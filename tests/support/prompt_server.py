"""uvicorn, without the tenths of a second that it lets pass while it ends."""

import asyncio
import socket
from typing import Any

import uvicorn

# Between two looks at whether the connections are closed.
_SECONDS = 0.002


class PromptServer(uvicorn.Server):
    """uvicorn's server, for tests that start hundreds: it ends once it is told to.

    By itself it looks ten times a second whether it should, and waits a tenth more even where no
    connection is open. What it does is the same: it closes its listeners, asks the connections to
    close, waits for them and their tasks for the grace period, and ends the application.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """Begin to end, from any thread. The server has started."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ending.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        listeners: list[Any] = [*self.servers, *(sockets or [])]
        for listener in listeners:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                # uvicorn tells nobody when they are gone.
                while state.connections or state.tasks:  # noqa: ASYNC110
                    await asyncio.sleep(_SECONDS)
        except TimeoutError:
            for task in state.tasks:
                task.cancel("the grace period is over")
        await self.lifespan.shutdown()
