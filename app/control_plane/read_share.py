"""A bound on the reads that one client address has in progress, so that others need not wait.

A read takes some milliseconds of the event loop. Other reads of the address wait for their turn.
The addresses of an IPv6 /64 count as one.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.client_address import client_network
from app.core.request.context import context_of

AT_ONCE = 2
# The end of the paths of files, which are sent for as long as their readers take. They count on
# their tenants' share of the connections to MLflow instead.
STREAMED = "/files/content"


class ReadShare:
    """ASGI middleware that lets `AT_ONCE` reads of a client address run at the same time.

    unlimited: pairs of method and path that never wait, such as probes.
    """

    def __init__(self, app: ASGIApp, unlimited: frozenset[tuple[str, str]]) -> None:
        self.app = app
        self.unlimited = unlimited
        # By address, while it has reads in progress: the free places, and how many reads know them.
        self._places: dict[str, tuple[asyncio.Semaphore, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if (
            scope["method"] != "GET"
            or ("GET", path) in self.unlimited
            or (path.startswith("/api/models/") and path.endswith(STREAMED))
        ):
            await self.app(scope, receive, send)
            return
        client = client_network(context_of(scope).client)
        free, users = self._places.get(client) or (asyncio.Semaphore(AT_ONCE), 0)
        self._places[client] = free, users + 1
        try:
            async with free:
                await self.app(scope, receive, send)
        finally:
            users = self._places[client][1]
            if users == 1:
                del self._places[client]
            else:
                self._places[client] = free, users - 1
