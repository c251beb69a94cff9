"""GET /api/3.0/mlflow/server-info with direct artifact transfer disabled.

If the response says that the artifact store can sign URLs, a client of MLflow 3.17 uploads large
files to the store directly, and downloads every file from it. That fails where users cannot reach
the store.
"""

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.mlflow.client import MLflowClient

# Fields of the response that announce direct artifact transfer.
DIRECT = ("multipart_uploads_enabled", "multipart_downloads_enabled")


class ServerInfo:
    """ASGI application of the route. Raises UpstreamError."""

    def __init__(self, mlflow: MLflowClient) -> None:
        self._mlflow = mlflow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        info = await self._mlflow.server_info()
        response = JSONResponse(info | {name: False for name in DIRECT if name in info})
        await response(scope, receive, send)
