"""Connection draining: the gateway reports "not ready" for some time before it stops."""

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

    So a load balancer sends requests elsewhere before the listener closes. Requests are served as
    usual until then. A second SIGTERM, or Ctrl-C, ends the delay.

    state: the state of the ASGI lifespan; its entry `draining` becomes true.
    Call it in the event loop, after uvicorn has installed its signal handlers. It does nothing
    where the delay is 0, or outside of the main thread.
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
        # A signal handler may interrupt the event loop anywhere, so it only schedules a call.
        loop.call_soon_threadsafe(wait, number, frame)

    def wait(number: int, frame: FrameType | None) -> None:
        log.info("server.draining", seconds=delay)
        loop.call_later(delay, stop, number, frame)

    signal.signal(signal.SIGTERM, start_draining)
