"""Saying "not ready" for a while before the listener closes, so that a load balancer sees it."""

import asyncio
import signal
import threading
from collections.abc import MutableMapping
from types import FrameType
from typing import Any

import structlog

log = structlog.get_logger()

# In the state of ASGI's lifespan, which every request finds a copy of in its scope.
DRAINING = "draining"


def drain_on_sigterm(state: MutableMapping[str, Any], delay: float) -> None:
    """From the next SIGTERM on, be not ready for `delay` seconds, and only then stop.

    state: that of ASGI's lifespan; its entry `draining` becomes true. Requests are served as ever
    meanwhile. A second SIGTERM, or a Ctrl-C, ends the wait. To be called in the event loop once the
    server has taken its signals over; does nothing without a delay, or outside of the main thread.
    """
    stop = signal.getsignal(signal.SIGTERM)
    if delay <= 0 or not callable(stop):
        return
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def begin(number: int, frame: FrameType | None) -> None:
        if state.get(DRAINING):
            stop(number, frame)
            return
        state[DRAINING] = True
        # A signal may come in the middle of whatever the loop is doing.
        loop.call_soon_threadsafe(wait, number, frame)

    def wait(number: int, frame: FrameType | None) -> None:
        log.info("server.draining", seconds=delay)
        loop.call_later(delay, stop, number, frame)

    signal.signal(signal.SIGTERM, begin)
