"""Items that are submitted while a batch is being processed are processed together."""

import asyncio

import pytest

from app.core.batching import Batcher


class Doubler:
    """Doubles numbers, from when `go_on` is set. batches: as they were processed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        self.begun.set()
        await self.go_on.wait()
        if 0 in numbers:
            raise ZeroDivisionError
        return [2 * number for number in numbers]

    async def occupy(self, batcher: Batcher[int, int]) -> "asyncio.Future[int]":
        """Submit 1, and return once it is being processed."""
        first = batcher.submit(1)
        await self.begun.wait()
        return first


async def test_each_item_gets_its_own_result() -> None:
    double = Doubler()
    batcher = Batcher(double, 3)
    first = await double.occupy(batcher)
    later = [batcher.submit(number) for number in range(2, 7)]
    double.go_on.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10, 12]
    assert double.batches == [[1], [2, 3, 4], [5, 6]]
    assert await batcher.submit(7) == 14


async def test_a_failure_reaches_each_caller_of_its_batch_and_no_other() -> None:
    double = Doubler()
    batcher = Batcher(double, 2)
    first = await double.occupy(batcher)
    later = [batcher.submit(number) for number in (0, 2, 3)]
    double.go_on.set()
    assert await first == 2
    for failed in later[:2]:
        with pytest.raises(ZeroDivisionError):
            await failed
    assert await later[2] == 6


async def test_a_cancelled_item_is_not_processed() -> None:
    double = Doubler()
    batcher = Batcher(double, 3)
    first = await double.occupy(batcher)
    gone, kept, lost = (batcher.submit(number) for number in (2, 3, 0))
    gone.cancel()
    lost.cancel()
    double.go_on.set()
    assert (await first, await kept) == (2, 6)
    assert double.batches == [[1], [3]]
