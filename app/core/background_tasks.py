"""Tasks that run beside the requests, for as long as the application."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

# Seconds after which a task that still runs is cancelled again.
PATIENCE = 1.0


@asynccontextmanager
async def background_tasks(*coroutines: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run them until the block ends, and leave it when all of them have ended.

    So nothing that they use is closed before. A cancellation can be lost, for example in a driver
    that turns it into an error of the connection it was opening, and is repeated therefore.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        running = set(tasks)
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=PATIENCE)
