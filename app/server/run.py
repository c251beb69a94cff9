"""Runs uvicorn: its options, one process or several workers, and the end of both."""

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from app.core.errors import StartupError
from app.core.settings import Settings
from app.server.application import startup_failure

# Longer than the idle time of the usual reverse proxies (60 s), which know whether a request is
# about to be sent and should therefore be the side that closes.
KEEP_ALIVE_SECONDS = 75
# A worker that does not respond to its parent within this time is replaced. uvicorn's default of
# 5 seconds is less than a worker needs to load on a busy machine: it would be replaced forever.
_WORKER_SECONDS = 20


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """uvicorn's options, also for the tests' servers: no header and no log line of its own."""
    return {
        # Stated, because uvicorn takes every callable that is not a coroutine function for ASGI 2.
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

    A function, because a worker of uvicorn loads what this option refers to before anything else.
    """
    from app.edge.http1.protocol import StrictProtocol

    return StrictProtocol(**options)


def run(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, then drain.

    At SIGTERM the gateway is first not ready for `drain_delay` seconds, if that is set. Then it
    takes no new connections, and requests in flight have `shutdown_grace_period` seconds to finish.
    Each worker builds the application from the environment. Raises StartupError where the
    application does not start.
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
        raise startup_failure() or StartupError("the gateway did not start: see the lines above")
