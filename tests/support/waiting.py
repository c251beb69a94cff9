"""Waiting for what happens by itself, within a bound that only a broken program meets."""

import time
from collections.abc import Callable

GENEROUS = 30.0


def wait_until(happened: Callable[[], object], seconds: float = GENEROUS) -> None:
    """Ask again and again; fails once `seconds` are over."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"it did not happen within {seconds:g} seconds"
        time.sleep(0.02)
