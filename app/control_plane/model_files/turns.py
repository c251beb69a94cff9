"""Turns of the models that are read: few at a time, and none for long while others wait."""

import asyncio
import time

# Seconds for which one model is read before another one that waits has its turn.
TURN_SECONDS = 60.0
# Models that wait for another turn, whose leases a process keeps.
MAX_WAITING = 32


class Turns:
    """The models that one process reads. count: how many of them at the same time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._active: set[Turn] = set()
        self._waiting: set[Turn] = set()

    @property
    def may_begin(self) -> bool:
        """Whether a further model would be read at once, or in place of one that is long."""
        if len(self._active) + len(self._waiting) < self._count:
            return True
        new = sum(not turn.has_begun for turn in self._waiting)
        long = sum(turn.is_long for turn in self._active)
        return new < long and len(self._waiting) < MAX_WAITING

    def add(self, seconds: float) -> "Turn":
        """The turn of a further model. seconds: for which it has been read before."""
        turn = Turn(self, seconds)
        self._waiting.add(turn)
        return turn

    async def _begin(self, turn: "Turn") -> None:
        # Its waiters come first who waited first.
        await self._free.acquire()
        self._waiting.discard(turn)
        self._active.add(turn)

    def _end(self, turn: "Turn", *, waits: bool) -> None:
        if turn in self._active:
            self._active.remove(turn)
            self._free.release()
        self._waiting.discard(turn)
        if waits:
            self._waiting.add(turn)


class Turn:
    """The turn of one model. Within `async with` it is read, except while it waits in `pass_on`.

    has_begun: whether any of it has been read.
    """

    def __init__(self, turns: Turns, seconds: float) -> None:
        self._turns = turns
        self._before = seconds
        self._began: float | None = None
        self.has_begun = False

    @property
    def seconds(self) -> float:
        """For how long the model has been read, without what it waited."""
        return self._before + self._lasts

    @property
    def is_long(self) -> bool:
        """Whether this turn has lasted as long as one does while others wait."""
        return self._lasts >= TURN_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether it is another model's turn."""
        return self.is_long and bool(self._turns._waiting)

    async def pass_on(self) -> None:
        """Let the models be read that wait, and wait for the next turn."""
        self._stop(waits=True)
        await self.__aenter__()

    async def __aenter__(self) -> "Turn":
        await self._turns._begin(self)
        self._began, self.has_begun = time.monotonic(), True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop(waits=False)

    def leave(self) -> None:
        """End a turn, also one that has not begun. Calling it again does nothing."""
        self._stop(waits=False)

    @property
    def _lasts(self) -> float:
        return 0.0 if self._began is None else time.monotonic() - self._began

    def _stop(self, *, waits: bool) -> None:
        self._before, self._began = self.seconds, None
        self._turns._end(self, waits=waits)
