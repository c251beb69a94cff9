"""Finds the route of a path without parameters at once, where a router would try each in turn."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send


class StaticRoutes:
    """ASGI middleware around a router.

    A path that is a route's own precedes a route with parameters that matches it too.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self._routes: dict[tuple[str, str], Route] = {}
        for route in routes:
            if isinstance(route, Route) and not route.param_convertors:
                for method in route.methods or ():
                    # As in a router, the first one is used.
                    self._routes.setdefault((method, route.path), route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
            if route is not None:
                _, found = route.matches(scope)
                scope.update(found)
                await route.handle(scope, receive, send)
                return
        await self.app(scope, receive, send)
