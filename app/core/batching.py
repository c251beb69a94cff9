"""Micro-batching: coalesces concurrent calls into batches (the DataLoader pattern)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects items while a batch is being processed, and processes them as the next batch.

    Under load, many items share one round trip and one connection.

    process: takes a batch and returns one result for each item, in the same order. If it raises,
        every item of the batch fails with that exception.
    max_size: the maximum number of items in a batch.
    """

    def __init__(
        self, process: Callable[[list[Item]], Awaitable[Sequence[Result]]], max_size: int
    ) -> None:
        self._process = process
        self._max_size = max_size
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """The future result of an item. Cancelling it removes an item that is not processed yet."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, result))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return result

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._max_size]
                del self._waiting[: self._max_size]
                await self._process_batch([entry for entry in batch if not entry[1].done()])
        finally:
            self._task = None

    async def _process_batch(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._process([item for item, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
