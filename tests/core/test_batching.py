"""Items that arrive while a batch is being processed are processed together as the next one."""

import asyncio

import pytest

from app.core.batching import Batcher


class Doubler:
    """A `process` that doubles numbers, and fails for 0; it waits until `released` is set.

    batches: the batches that it was called with.
    """

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = asyncio.Event()
        self.released = asyncio.Event()

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        self.started.set()
        await self.released.wait()
        if 0 in numbers:
            raise ZeroDivisionError
        return [2 * number for number in numbers]

    async def occupy(self, batcher: Batcher[int, int]) -> "asyncio.Future[int]":
        """Submit 1 and wait until it is being processed; later items are then collected."""
        first = batcher.submit(1)
        await self.started.wait()
        return first


async def test_each_item_gets_its_own_result() -> None:
    process = Doubler()
    batcher = Batcher(process, 3)
    first = await process.occupy(batcher)
    later = [batcher.submit(number) for number in range(2, 7)]
    process.released.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10, 12]
    assert process.batches == [[1], [2, 3, 4], [5, 6]]
    assert await batcher.submit(7) == 14


async def test_an_exception_is_raised_to_every_item_of_its_batch_and_to_no_other() -> None:
    process = Doubler()
    batcher = Batcher(process, 2)
    first = await process.occupy(batcher)
    later = [batcher.submit(number) for number in (0, 2, 3)]
    process.released.set()
    assert await first == 2
    for failed in later[:2]:
        with pytest.raises(ZeroDivisionError):
            await failed
    assert await later[2] == 6


async def test_a_cancelled_item_is_not_processed() -> None:
    process = Doubler()
    batcher = Batcher(process, 3)
    first = await process.occupy(batcher)
    cancelled, kept, failing = (batcher.submit(number) for number in (2, 3, 0))
    cancelled.cancel()
    failing.cancel()
    process.released.set()
    assert (await first, await kept) == (2, 6)
    assert process.batches == [[1], [3]]
