"""The gateway as uvicorn runs it: in this process, or in a worker process."""

import asyncio
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from uvicorn.config import STARTUP_FAILURE

from app.core.errors import StartupError
from app.core.settings import load_settings
from app.server import memory

if TYPE_CHECKING:
    from app.main import Gateway

_PR_SET_PDEATHSIG = 1

# The error because of which the application of this process did not start.
_failure: StartupError | None = None


def application() -> "Application":
    """uvicorn's factory: builds the application, and ends the process where that fails."""
    memory.block_optional_imports_and_pause_gc()
    # Imported here, so that the parent of several workers does not load what only workers need.
    from app.main import create_app

    parent = multiprocessing.parent_process()
    if parent is not None and sys.platform == "linux":
        # Otherwise a worker whose parent was killed would keep running and hold the port.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent.pid:
            # The parent was killed while this worker was starting.
            sys.exit(STARTUP_FAILURE)
    try:
        return Application(create_app())
    except StartupError as error:
        _record_failure(error)
        sys.exit(STARTUP_FAILURE)


def startup_failure() -> StartupError | None:
    """The error because of which the application did not start in this process, if there is one."""
    return _failure


class Application:
    """Wraps the gateway, so that a StartupError is reported in one line, without a traceback."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        # The HTTP protocol (app/edge/http1/protocol.py) reads both from the application.
        self.fast_path = gateway.fast_path
        self.unread_responses = gateway.unread_responses

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._lifespan(scope, receive, send)
        return self.gateway(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        from app.server.draining import drain_on_sigterm
        from app.server.name_lookups import ignore_abandoned_lookups

        failed: dict[str, Any] | None = None

        async def hold_back_failure(message: Any) -> None:
            nonlocal failed
            if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
                failed = message
            else:
                if message["type"] == "lifespan.startup.complete":
                    memory.freeze_gc()
                    ignore_abandoned_lookups(asyncio.get_running_loop())
                    drain_on_sigterm(scope["state"], load_settings().drain_delay)
                await send(message)

        try:
            await self.gateway(scope, receive, hold_back_failure)
        except StartupError as error:
            _record_failure(error)
            failed = {"type": "lifespan.startup.failed", "message": ""}
        except asyncio.CancelledError:
            failed = None  # a second signal ends the process at once; that is not a failure
        finally:
            if failed is not None:
                await send(failed)


def _record_failure(error: StartupError) -> None:
    global _failure  # noqa: PLW0603 (uvicorn's factory has no other way to return an error)
    _failure = error
    # uvicorn would log a second, less specific line.
    logging.getLogger("uvicorn.error").disabled = True
    if multiprocessing.parent_process() is not None:
        print(f"error: {error}", file=sys.stderr, flush=True)
