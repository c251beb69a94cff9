"""Asking together for what is wanted at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batcher(Generic[Question, Answer]):
    """Collects questions while the ones before are being answered.

    Under load a question costs a small part of a round trip, and holds no connection.

    answer: gives the answers to some questions, in their order. What it raises is raised to each
    of them. most: how many it is given at once.
    """

    def __init__(
        self, answer: Callable[[list[Question]], Awaitable[Sequence[Answer]]], most: int
    ) -> None:
        self._answer = answer
        self._most = most
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """The answer, when it is there. To cancel it takes the question back if it is not asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((question, answer))
        if self._task is None:
            self._task = loop.create_task(self._run())
        return answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                asked = self._waiting[: self._most]
                del self._waiting[: self._most]
                await self._ask([one for one in asked if not one[1].done()])
        finally:
            self._task = None

    async def _ask(self, asked: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        if not asked:
            return
        try:
            answers = await self._answer([question for question, _ in asked])
        except Exception as error:
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(asked, answers, strict=True):
            if not future.done():
                future.set_result(answer)
