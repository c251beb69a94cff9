"""The one place that runs uvicorn: on a socket that is bound before anything slow starts."""

import asyncio
import ctypes
import logging
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Awaitable
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.server import memory
from app.server.signals import terminal_signals_blocked

if TYPE_CHECKING:
    from app.main import Gateway

# Longer than the idle time of the usual reverse proxies (60 s): the side that knows whether a
# request is on its way should be the one that closes.
KEEP_ALIVE_SECONDS = 75
# A worker that does not answer its parent for so long is replaced. uvicorn's own 5 seconds are
# less than what a worker needs to load on a busy machine, and would replace it for ever.
_WORKER_SECONDS = 20
_PR_SET_PDEATHSIG = 1


def open_socket(host: str, port: int) -> socket.socket:
    """A TCP socket bound to the address; port 0 takes a free one.

    It refuses connections until uvicorn listens on it. Raises StartupError where the address
    cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartupError(f"HOKUSAI_HOST={host} is no address of this machine: {error}") from None
    listener = socket.socket(family, kind, protocol)
    # A port whose last connections are still being closed may be taken again.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartupError(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "stop what uses it, or set HOKUSAI_PORT or HOKUSAI_HOST"
        ) from None
    return listener


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn is run, wherever it is: nothing of its own in the answers or the log."""
    return {
        # Not guessed: uvicorn takes whatever is no coroutine function for ASGI 2.
        "interface": "asgi3",
        "loop": "uvloop",
        "http": protocol,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "date_header": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": max(1, int(settings.shutdown_grace_period)),
    }


def protocol(**options: Any) -> asyncio.Protocol:
    """What uvicorn makes for each connection.

    A function, because uvicorn's worker loads what this option refers to before anything else.
    """
    from app.edge.http1.protocol import StrictProtocol

    return StrictProtocol(**options)


def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then drain: not ready for the drain delay, if there is one
    (SIGTERM only), and after it no new connections and requests in flight for the grace period.

    Raises StartupError where the application does not start. Each worker builds the application
    from the environment.
    """
    config = uvicorn.Config(
        "app.server.run:application",
        factory=True,
        workers=settings.workers,
        timeout_worker_healthcheck=_WORKER_SECONDS,
        **uvicorn_options(settings),
    )
    if settings.workers > 1:
        from app.telemetry.metrics import served
        from app.telemetry.multiprocess import shared_by_workers

        supervisor = Workers(config, sockets=[listener])
        with shared_by_workers(), served(settings.metrics_host, settings.metrics_port):
            supervisor.run()
        failed = any(worker.process.exitcode == STARTUP_FAILURE for worker in supervisor.processes)
    else:
        failed = False
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except SystemExit as error:
            failed = error.code == STARTUP_FAILURE
    if failed:
        raise _failure or StartupError("the gateway did not start: the lines above say why")


class Workers(Multiprocess):
    """uvicorn's processes that serve, and the parent that replaces those that die."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        hung_up = signal.getsignal(signal.SIGHUP)
        super().__init__(*args, **kwargs)
        # It would replace the processes one by one, while the terminal that they had is gone.
        signal.signal(signal.SIGHUP, hung_up)

    def init_processes(self) -> None:
        # It comes up with the first process otherwise, and lets these signals through again.
        resource_tracker.ensure_running()
        with terminal_signals_blocked():
            super().init_processes()

    def keep_subprocess_alive(self) -> None:
        with terminal_signals_blocked():
            super().keep_subprocess_alive()


# What kept the application of this process from starting.
_failure: StartupError | None = None


def application() -> "Application":
    """The gateway as uvicorn runs it, in this process or in a worker."""
    memory.start()
    # Imported here, so that the parent of several workers does not load what only they need.
    from app.main import create_app

    parent = multiprocessing.parent_process()
    if parent is not None and sys.platform == "linux":
        # A worker whose parent was killed would go on holding the port.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent.pid:
            # It was killed while this worker was still loading.
            sys.exit(STARTUP_FAILURE)
    try:
        return Application(create_app())
    except StartupError as error:
        _remember(error)
        sys.exit(STARTUP_FAILURE)


class Application:
    """The gateway, with a StartupError of its start told in one line, without a traceback."""

    def __init__(self, gateway: "Gateway") -> None:
        self.gateway = gateway
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
                    drain_on_sigterm(scope["state"], load_settings().drain_delay)
                await send(message)

        try:
            await self.gateway(scope, receive, hold_back_failure)
        except StartupError as error:
            _remember(error)
            failed = {"type": "lifespan.startup.failed", "message": ""}
        except asyncio.CancelledError:
            failed = None  # a second signal: nobody waits for the end, and it is no failure
        finally:
            if failed is not None:
                await send(failed)


def _remember(error: StartupError) -> None:
    global _failure  # noqa: PLW0603 (uvicorn gives the factory nothing to hand it on with)
    _failure = error
    # uvicorn would add a line of its own that says less.
    logging.getLogger("uvicorn.error").disabled = True
    if multiprocessing.parent_process() is not None:
        print(f"error: {error}", file=sys.stderr, flush=True)
