"""Questions that come while others are being answered are answered together."""

import asyncio

import pytest

from app.core.batching import Batcher


class Oracle:
    """Doubles numbers, once it is let. asked: the batches as they came."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, questions: list[int]) -> list[int]:
        self.asked.append(questions)
        self.begun.set()
        await self.go_on.wait()
        if 0 in questions:
            raise ZeroDivisionError
        return [2 * question for question in questions]

    async def busy(self, batch: Batcher[int, int]) -> "asyncio.Future[int]":
        """The answer to 1, which is being found."""
        first = batch.submit(1)
        await self.begun.wait()
        return first


def test_each_question_gets_its_own_answer() -> None:
    async def main() -> None:
        oracle = Oracle()
        batch = Batcher(oracle, 3)
        first = await oracle.busy(batch)
        later = [batch.submit(number) for number in range(2, 7)]
        oracle.go_on.set()
        assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10, 12]
        assert oracle.asked == [[1], [2, 3, 4], [5, 6]]
        assert await batch.submit(7) == 14

    asyncio.run(main())


def test_a_failure_is_told_to_each_of_a_batch_and_to_no_other() -> None:
    async def main() -> None:
        oracle = Oracle()
        batch = Batcher(oracle, 2)
        first = await oracle.busy(batch)
        later = [batch.submit(number) for number in (0, 2, 3)]
        oracle.go_on.set()
        assert await first == 2
        for failed in later[:2]:
            with pytest.raises(ZeroDivisionError):
                await failed
        assert await later[2] == 6

    asyncio.run(main())


def test_a_question_that_is_taken_back_is_not_asked() -> None:
    async def main() -> None:
        oracle = Oracle()
        batch = Batcher(oracle, 3)
        first = await oracle.busy(batch)
        gone, kept, lost = (batch.submit(number) for number in (2, 3, 0))
        gone.cancel()
        lost.cancel()
        oracle.go_on.set()
        assert (await first, await kept) == (2, 6)
        assert oracle.asked == [[1], [3]]

    asyncio.run(main())
