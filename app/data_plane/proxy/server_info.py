"""What MLflow tells its clients of itself, without the way past the gateway.

A client of MLflow 3.17 that reads there that the artifact store can sign URLs sends large files
straight to it, and fetches every file from it. Where users do not reach the store, that fails.
"""

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.mlflow.client import MLflowClient

DIRECT = ("multipart_uploads_enabled", "multipart_downloads_enabled")


class ServerInfo:
    """An ASGI application for GET /api/3.0/mlflow/server-info. Raises UpstreamError."""

    def __init__(self, mlflow: MLflowClient) -> None:
        self._mlflow = mlflow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = await self._mlflow.server_info()
        answer = JSONResponse(told | {name: False for name in DIRECT if name in told})
        await answer(scope, receive, send)
