"""The gateway as uvicorn runs it, in this process or in a worker process."""

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

# Why the application of this process did not start.
_failure: StartupError | None = None


def application() -> "Application":
    """The factory that uvicorn calls; ends the process where the application cannot be built."""
    memory.block_optional_imports_and_pause_gc()
    # Imported here, so that the parent of several workers does not load what only they need.
    from app.main import create_app

    parent = multiprocessing.parent_process()
    if parent is not None and sys.platform == "linux":
        # Otherwise a worker whose parent was killed would go on holding the port.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent.pid:
            # The parent was killed while this worker was still loading.
            sys.exit(STARTUP_FAILURE)
    try:
        return Application(create_app())
    except StartupError as error:
        _remember(error)
        sys.exit(STARTUP_FAILURE)


def startup_failure() -> StartupError | None:
    """Why the application of this process did not start; None if it did."""
    return _failure


class Application:
    """The gateway, whose StartupError is reported in one line, without a traceback."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
        # uvicorn's protocol reads it from the application.
        self.fast_path = gateway.fast_path

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._lifespan(scope, receive, send)
        return self.gateway(scope, receive, send)

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        from app.server.draining import drain_on_sigterm

        failed: dict[str, Any] | None = None

        async def hold_back_failure(message: Any) -> None:
            nonlocal failed
            if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
                failed = message
            else:
                if message["type"] == "lifespan.startup.complete":
                    memory.freeze_gc()
                    drain_on_sigterm(scope["state"], load_settings().drain_delay)
                await send(message)

        try:
            await self.gateway(scope, receive, hold_back_failure)
        except StartupError as error:
            _remember(error)
            failed = {"type": "lifespan.startup.failed", "message": ""}
        except asyncio.CancelledError:
            failed = None  # a second signal ends the process at once, which is not a failure
        finally:
            if failed is not None:
                await send(failed)


def _remember(error: StartupError) -> None:
    global _failure  # noqa: PLW0603 (uvicorn's factory has no other way to return an error)
    _failure = error
    # uvicorn would add a line of its own that says less.
    logging.getLogger("uvicorn.error").disabled = True
    if multiprocessing.parent_process() is not None:
        print(f"error: {error}", file=sys.stderr, flush=True)
