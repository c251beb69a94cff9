"""GET /api/mlflow/: the page of MLflow's web interface, with the gateway's script in it."""

from starlette.types import Receive, Scope, Send

from app.core.errors import UnknownRouteError
from app.data_plane.proxy.interface.policy import PAGE_HEADERS
from app.data_plane.proxy.interface.script import SCRIPT
from app.data_plane.proxy.path_policy import PREFIX
from app.mlflow.client import MLflowClient

# All addresses in the page are relative to it.
ADDRESS = PREFIX + b"/"
# Before it, the script is added.
MARKER = b"</head>"
TAG = b'<script src="static-files/%b"></script>' % SCRIPT.name.encode()


class IndexPage:
    """ASGI application of the route.

    MLflow's page names the scripts of its own version, so that it is fetched each time.
    """

    def __init__(self, mlflow: MLflowClient) -> None:
        self._mlflow = mlflow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises UpstreamError."""
        if scope["raw_path"] == PREFIX:
            await _redirect(scope, send)
            return
        media_type, page = await self._mlflow.index_page()
        if media_type.startswith("text/html"):
            page = page.replace(MARKER, TAG + MARKER, 1)
        headers = [
            (b"content-type", media_type.encode("latin-1")),
            (b"content-length", b"%d" % len(page)),
            (b"cache-control", b"no-store"),
            *PAGE_HEADERS,
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        content = b"" if scope["method"] == "HEAD" else page
        await send({"type": "http.response.body", "body": content})


async def _redirect(scope: Scope, send: Send) -> None:
    """Add the slash that is missing: only for a browser, since clients turn a redirected POST into
    a GET, and MLflow's own would not say so."""
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
    if b"text/html" not in accept.lower():
        raise UnknownRouteError(
            "MLflow's routes are below /api/mlflow/: set MLFLOW_TRACKING_URI to this address."
            " GET /api/mlflow/api/2.0/mlflow/help lists them."
        )
    query: bytes = scope["query_string"]
    location = ADDRESS + b"?" + query if query else ADDRESS
    headers = [(b"location", location), (b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
