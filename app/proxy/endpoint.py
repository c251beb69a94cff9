"""/api/mlflow: from a request that has passed the edge to one that MLflow may see."""

from starlette.types import Receive, Scope, Send

from app.database import Database
from app.edge.body import read_body
from app.errors import BodyTooLargeError, InvalidParameterError
from app.exchange import Exchange, exchange_of
from app.identity.principal import Scope as Right
from app.identity.signatures import spend
from app.mlflow.control import MLflowControl
from app.proxy.headers import RawHeaders, request_headers
from app.proxy.help import Help
from app.proxy.manifest import Route, load_manifest
from app.proxy.origins import Origins
from app.proxy.otlp import MAX_SPANS, checked_spans
from app.proxy.outbound import UpstreamRequest
from app.proxy.payload import (
    BODILESS,
    MAX_INSPECTED,
    inspect,
    rewrite_experiment,
    rewrite_query,
)
from app.proxy.target import upstream_target
from app.proxy.upstream import Upstream
from app.settings import Settings
from app.tenants.workspaces import Workspace, Workspaces

WORKSPACE = b"x-mlflow-workspace"


class Proxy:
    """A raw ASGI application: no body passes through FastAPI's machinery."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        workspaces: Workspaces,
        database: Database,
        mlflow: MLflowControl,
        credential: str | None,
    ) -> None:
        self.manifest = load_manifest()
        self.help = Help(self.manifest)
        self.upstream = upstream
        self.workspaces = workspaces
        self.database = database
        self.origins = Origins(mlflow)
        self.body_gap = settings.body_gap
        self.max_upload = settings.max_upload
        self.credential = credential.encode() if credential else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = exchange_of(scope)
        principal = exchange.principal
        assert principal is not None  # nothing below /api/mlflow is public
        query: bytes = scope["query_string"]
        method: str = scope["method"]
        path, target = upstream_target(scope["raw_path"], query)
        route = self.manifest.match(method, path).route
        exchange.route = route.pattern
        assert route.scope is not None  # a refused route has no match
        principal.require(route.scope)
        if route.gateway:
            await self.help(scope, receive, send)
            return
        workspace = self.workspaces.known(principal.tenant)
        if workspace is None:
            workspace = await self.workspaces.of(principal)
        if route.experiment_queries:
            query = rewrite_query(route, query, workspace.default_experiment)
            target = target.partition(b"?")[0] + (b"?" + query if query else b"")
        request = UpstreamRequest(
            method.encode(), target, self._headers(exchange, route, workspace)
        )
        await self._frame(request, exchange, route, workspace, receive)
        if exchange.proof is not None and route.scope is not Right.READ:
            # As late as can be: what the gateway refuses itself uses no signature up.
            async with self.database.transaction() as session:
                await spend(session, exchange.proof)
        await self.upstream.forward(request, receive, send)

    def _headers(self, exchange: Exchange, route: Route, workspace: Workspace) -> RawHeaders:
        """What MLflow is told: the client's harmless headers, then the gateway's own."""
        headers = request_headers(exchange.headers)
        if route.experiment_header is not None:
            headers = [
                (name, rewrite_experiment(value, workspace.default_experiment))
                if name == route.experiment_header
                else (name, value)
                for name, value in headers
            ]
        if workspace.name is not None:
            headers.append((WORKSPACE, workspace.name.encode()))
        if self.credential is not None:
            headers.append((b"authorization", self.credential))
        headers.append((b"x-request-id", exchange.request_id.encode()))
        # MLflow takes a request without it for one of its own machine's, and trusts that more.
        headers.append((b"x-forwarded-for", exchange.client.encode() or b"unknown"))
        return headers

    async def _frame(
        self,
        request: UpstreamRequest,
        exchange: Exchange,
        route: Route,
        workspace: Workspace,
        receive: Receive,
    ) -> None:
        """Decide how the body travels: streamed as it comes, or whole where it has to be read."""
        length = exchange.headers.get(b"content-length")
        chunked = b"transfer-encoding" in exchange.headers
        size = None if chunked else int(length or 0)
        if route.method in BODILESS and size != 0:
            raise InvalidParameterError(
                f"A {route.method} takes no body here. Pass the parameters in the query."
            )
        if size is not None and size > self.max_upload:
            raise BodyTooLargeError(f"A request's body may have at most {self.max_upload} bytes.")
        if route.inspects_body:
            if b"content-encoding" in exchange.headers:
                raise InvalidParameterError("The body must come without Content-Encoding.")
            body = await read_body(receive, limit=MAX_INSPECTED, gap=self.body_gap)
            payload = inspect(route, body, workspace.default_experiment, workspace.name or "")
            if workspace.name is not None and (payload.runs or payload.models):
                await self.origins.check(workspace.name, payload.runs, payload.models)
            request.body = payload.body
        elif route.otlp:
            body = await read_body(receive, limit=MAX_SPANS, gap=self.body_gap)
            media_type = exchange.headers.get(b"content-type", b"")
            encoding = exchange.headers.get(b"content-encoding")
            request.body = checked_spans(body, media_type, encoding)
            request.headers = [item for item in request.headers if item[0] != b"content-encoding"]
        elif chunked and not route.artifact:
            # MLflow reads a chunked JSON body as an empty one.
            request.body = await read_body(receive, limit=MAX_INSPECTED, gap=self.body_gap)
        else:
            request.content_length = size
            request.chunked = chunked
