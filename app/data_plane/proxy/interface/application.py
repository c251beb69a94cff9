"""MLflow's web interface: the routes below /api/mlflow at which the gateway itself responds."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import UnknownRouteError
from app.data_plane.proxy.interface.index_page import IndexPage
from app.data_plane.proxy.interface.own_responses import OWN_RESPONSES
from app.data_plane.proxy.interface.static_files import StaticFiles
from app.data_plane.proxy.manifest import Route
from app.mlflow.client import MLflowClient


class Interface:
    """The ASGI applications of these routes, by the routes' patterns."""

    def __init__(self, mlflow: MLflowClient) -> None:
        self._applications: Mapping[str, ASGIApp] = {
            "/": IndexPage(mlflow),
            "/static-files/{path:path}": StaticFiles(mlflow),
            **OWN_RESPONSES,
        }

    async def respond(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request of a route. Raises GatewayErrors."""
        application = self._applications.get(route.pattern)
        if application is None:
            raise UnknownRouteError("The gateway has no response for this route.")
        await application(scope, receive, send)
