"""Tasks that run beside the requests."""

import asyncio
from contextlib import suppress

import pytest

from app.core import background_tasks as module
from app.core.background_tasks import background_tasks


async def test_all_have_ended_when_the_block_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    ended = []

    async def ends_by_itself() -> None:
        ended.append("by itself")

    async def cleans_up() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cleaned up")

    async def loses_its_first_cancellation() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled twice")

    async with background_tasks(ends_by_itself(), cleans_up(), loses_its_first_cancellation()):
        await asyncio.sleep(0)
        assert ended == ["by itself"]
    assert ended == ["by itself", "cleaned up", "cancelled twice"]
