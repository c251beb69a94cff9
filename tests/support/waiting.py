"""Waiting for a condition, with a time limit that only a broken program reaches."""

import asyncio
import time
from collections.abc import Callable

GENEROUS = 120.0


def wait_until(condition: Callable[[], object], seconds: float = GENEROUS) -> None:
    """Check again and again; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen within {seconds:g} seconds"
        time.sleep(0.02)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that cannot notify; the test's timeout is the limit."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.002)
