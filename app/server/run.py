"""Runs uvicorn, in one process or with several workers, until it is stopped."""

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from app.core.errors import StartupError
from app.core.settings import Settings
from app.server.application import startup_failure

# Longer than the idle timeout of common reverse proxies (60 s). The proxy should close an idle
# connection first, because only it knows whether it is about to send a request.
KEEP_ALIVE_SECONDS = 75
# A worker that does not respond to its parent within this time is replaced. uvicorn's default of
# 5 seconds is less than a worker needs to start on a busy machine, so it would be replaced forever.
_WORKER_SECONDS = 20


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """uvicorn's options; the tests' servers use them too. uvicorn adds no headers and no logs."""
    return {
        # Without it, uvicorn takes a callable that is not a coroutine function for ASGI 2.
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
    """Create the protocol of one client connection.

    A function with an import in it, because a uvicorn worker resolves this option before it blocks
    the optional imports.
    """
    from app.edge.http1.protocol import StrictProtocol

    return StrictProtocol(**options)


def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then drain and return.

    At SIGTERM the gateway first reports "not ready" for `drain_delay` seconds, if that is set.
    Then it accepts no new connections, and requests in flight have `shutdown_grace_period` seconds
    to finish. Each worker builds the application from the environment. Raises StartupError where
    the application does not start.
    """
    config = uvicorn.Config(
        "app.server.application:application",
        factory=True,
        workers=settings.workers,
        timeout_worker_healthcheck=_WORKER_SECONDS,
        **uvicorn_options(settings),
    )
    if settings.workers > 1:
        from app.server.workers import Workers
        from app.telemetry.metrics import serve_metrics
        from app.telemetry.multiprocess import metrics_directory

        supervisor = Workers(config, sockets=[listener])
        with metrics_directory(), serve_metrics(settings.metrics_host, settings.metrics_port):
            supervisor.run()
        failed = any(worker.process.exitcode == STARTUP_FAILURE for worker in supervisor.processes)
    else:
        failed = False
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except SystemExit as error:
            failed = error.code == STARTUP_FAILURE
    if failed:
        raise startup_failure() or StartupError("the gateway did not start: see the lines above")
