"""Connection draining: not ready for a while before the listener closes."""

import asyncio
import signal
import threading
from collections.abc import MutableMapping
from types import FrameType
from typing import Any

import structlog

from app.control_plane.health import DRAINING

log = structlog.get_logger()


def drain_on_sigterm(state: MutableMapping[str, Any], delay: float) -> None:
    """At the next SIGTERM, report "not ready" for `delay` seconds, and only then stop.

    A load balancer then sends requests elsewhere before the listener closes. state: that of the
    ASGI lifespan; its entry `draining` becomes true. Requests are served as usual meanwhile. A
    second SIGTERM, or a Ctrl-C, ends the wait. Call it in the event loop, after uvicorn has
    installed its signal handlers; it does nothing without a delay or outside of the main thread.
    """
    stop = signal.getsignal(signal.SIGTERM)
    if delay <= 0 or not callable(stop):
        return
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def start_draining(number: int, frame: FrameType | None) -> None:
        if state.get(DRAINING):
            stop(number, frame)
            return
        state[DRAINING] = True
        # A signal may interrupt the event loop anywhere.
        loop.call_soon_threadsafe(wait, number, frame)

    def wait(number: int, frame: FrameType | None) -> None:
        log.info("server.draining", seconds=delay)
        loop.call_later(delay, stop, number, frame)

    signal.signal(signal.SIGTERM, start_draining)
