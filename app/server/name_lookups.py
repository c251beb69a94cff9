"""Lookups of host names: they end soon also where the name server does not respond.

A lookup runs in a thread of the C library, and cannot be cancelled: the process would not end
before all of them have, and each takes ten seconds and more by default.
"""

import asyncio
import os
import socket
from typing import Any

# The variable of resolv.conf(5), which glibc reads before the first lookup of the process. Seconds
# for each of two attempts.
VARIABLE = "RES_OPTIONS"
OPTIONS = "timeout:1 attempts:2"


def limit_lookups() -> None:
    """Limit the time of all lookups of this process, unless the environment does it already."""
    os.environ.setdefault(VARIABLE, OPTIONS)


def ignore_abandoned_lookups(loop: asyncio.AbstractEventLoop) -> None:
    """Do not report the failure of a lookup for which nothing waits any more.

    Whatever opened the connection has ended by its own time limit, and has reported that.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        abandoned = "never retrieved" in context.get("message", "")
        if not (abandoned and isinstance(context.get("exception"), socket.gaierror)):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
