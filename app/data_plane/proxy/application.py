"""/api/mlflow: from a request that has passed the edge to one that MLflow may see."""

from starlette.types import Receive, Scope, Send

from app.access.identity.replay_guard import ReplayGuard
from app.access.tenants.workspaces import Workspace, Workspaces
from app.core.errors import BodyTooLargeError, InvalidParameterError
from app.core.request.actor import Actor
from app.core.request.context import RequestContext, context_of
from app.core.request.head import RequestHead, RequestLine
from app.core.request.principal import Scope as Right
from app.core.settings import Settings
from app.core.strict_json import check_text
from app.data_plane.proxy.body_policy import (
    BODILESS,
    MAX_INSPECTED,
    inspect,
    rewrite_experiment,
    rewrite_query,
)
from app.data_plane.proxy.manifest import Match, Route, load_manifest
from app.data_plane.proxy.otlp import MAX_SPANS, checked_spans, spans_type
from app.data_plane.proxy.ownership import OwnershipChecker
from app.data_plane.proxy.path_policy import PREFIX, upstream_target, with_query
from app.data_plane.proxy.route_reference import Help
from app.data_plane.proxy.server_info import ServerInfo
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.headers import RawHeaders, request_headers
from app.data_plane.upstream.request import UpstreamRequest, encode_headers
from app.edge.body import read_body
from app.mlflow.client import SERVER_INFO, MLflowClient

WORKSPACE = b"x-mlflow-workspace"
# The largest body of a route that is neither an artifact's nor looked into, in bytes.
MAX_DOCUMENT = 8 * 1024 * 1024
# What is reachable is no secret, and a browser has no key to ask with.
PUBLIC = frozenset((method, f"{PREFIX.decode()}/api/2.0/mlflow/help") for method in ("GET", "HEAD"))


class Proxy:
    """A raw ASGI application: no body passes through FastAPI's machinery."""

    def __init__(
        self,
        settings: Settings,
        upstream: UpstreamClient,
        workspaces: Workspaces,
        replay_guard: ReplayGuard,
        mlflow: MLflowClient,
        credential: str | None,
    ) -> None:
        self.manifest = load_manifest()
        # The fixed paths as they are plainly written: most requests, told with one look.
        self._plain = {
            (route.method, PREFIX + route.pattern.encode()): (Match(route), route.pattern.encode())
            for route in self.manifest.routes
            if route.refused is None and "{" not in route.pattern
        }
        self.help = Help(self.manifest)
        self.upstream = upstream
        self.workspaces = workspaces
        self.replay_guard = replay_guard
        self.origins = OwnershipChecker(mlflow)
        self.body_timeout = settings.body_timeout
        self.max_upload = settings.max_upload
        self.server_info = None if settings.direct_artifacts else ServerInfo(mlflow)
        self.credential = credential.encode() if credential else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        line = RequestLine.of(scope)
        match, target = self._match(line, context)
        route = match.route
        if route.gateway:
            await self.help(scope, receive, send)
            return
        if self.server_info is not None and route.pattern == SERVER_INFO:
            await self.server_info(scope, receive, send)
            return
        principal = context.principal
        assert principal is not None  # nothing else below /api/mlflow is public
        workspace = self.workspaces.cached(principal.tenant)
        if workspace is None:
            actor = Actor(principal.id, context.request_id, context.client)
            workspace = await self.workspaces.get_or_create(principal, actor)
        if route.dataset:
            await self.origins.check_dataset(workspace.name, match.parameters[0])
        request = self._request(line, context, route, target, workspace)
        await self._frame(request, context, route, workspace, receive)
        if context.wallet_proof is not None:
            # As late as can be: what the gateway refuses itself uses no signature up.
            await self.replay_guard.consume(context.wallet_proof)
        await self.upstream.forward(request, receive, send, scope.get("zero_copy"))

    def prepare_without_io(
        self, line: RequestLine, context: RequestContext, body: bytes
    ) -> UpstreamRequest | None:
        """What to send upstream for a request that is here whole; None where that takes asking.

        Raises as the call does, from whose rules these are the ones that ask nobody. A proof that
        is left in the exchange has to be spent before anything is sent.
        """
        match, target = self._match(line, context)
        route, principal = match.route, context.principal
        if route.gateway or route.otlp or route.dataset or principal is None:
            return None
        if self.server_info is not None and route.pattern == SERVER_INFO:
            return None
        workspace = self.workspaces.cached(principal.tenant)
        if workspace is None:
            return None
        request = self._request(line, context, route, target, workspace)
        self._size(context, route)
        if route.inspects_body:
            payload = inspect(route, body, workspace.default_experiment, workspace.name or "")
            if workspace.name is not None and payload.references_resources:
                return None
            body = payload.body
        elif body and not route.artifact:
            check_text(body)
        request.body = body
        return request

    def _match(self, line: RequestLine, context: RequestContext) -> tuple[Match, bytes]:
        """The route of a request whose caller may take it, and the target to send upstream."""
        plain = self._plain.get((line.method, line.path))
        if plain is not None:
            match, path = plain
            target = with_query(path, line.query)
        else:
            decoded, target = upstream_target(line.path, line.query)
            match = self.manifest.match(line.method, decoded)
        route = match.route
        context.route = route.pattern
        if not route.gateway:
            assert context.principal is not None  # nothing else below /api/mlflow is public
            assert route.scope is not None  # a refused route has no match
            context.principal.require(route.scope)
            if route.scope is Right.READ:
                context.wallet_proof = None  # to read uses no signature up
        return match, target

    def _request(
        self,
        line: RequestLine,
        context: RequestContext,
        route: Route,
        target: bytes,
        workspace: Workspace,
    ) -> UpstreamRequest:
        """The request to send upstream, without its body."""
        if route.experiment_queries:
            query = rewrite_query(route, line.query, workspace.default_experiment)
            target = target.partition(b"?")[0] + (b"?" + query if query else b"")
        request_id = context.request_id.encode()
        assert context.principal is not None  # a route of the gateway's own asks for no request
        request = UpstreamRequest(line.method.encode(), target, [], caller=context.principal.tenant)
        if route.otlp or route.experiment_header is not None:
            request.headers = [
                (name, rewrite_experiment(value, workspace.default_experiment))
                if name == route.experiment_header
                else (name, value)
                for name, value in self._headers(context.head, workspace)
            ]
            request.headers.append((b"x-request-id", request_id))
        else:
            # An id has no character that could end its line: see the lifecycle, which checks it.
            request.lines = b"%bx-request-id: %b\r\n" % (
                self._lines(context.head, workspace),
                request_id,
            )
        return request

    def _lines(self, head: RequestHead, workspace: Workspace) -> bytes:
        """What MLflow is told of a head, encoded once for all requests that come with it."""
        made = head.outbound
        if made is None or made[0] is not workspace:
            made = workspace, encode_headers(self._headers(head, workspace))
            head.outbound = made
        return made[1]

    def _headers(self, head: RequestHead, workspace: Workspace) -> RawHeaders:
        """What MLflow is told: the client's harmless headers, then the gateway's own."""
        headers = request_headers(head.headers)
        if workspace.name is not None:
            headers.append((WORKSPACE, workspace.name.encode()))
        if self.credential is not None:
            headers.append((b"authorization", self.credential))
        # MLflow takes a request without it for one of its own machine's, and trusts that more.
        headers.append((b"x-forwarded-for", head.client.encode() or b"unknown"))
        return headers

    async def _frame(
        self,
        request: UpstreamRequest,
        context: RequestContext,
        route: Route,
        workspace: Workspace,
        receive: Receive,
    ) -> None:
        """Decide how the body travels: streamed as it comes, or whole where it has to be read."""
        size = self._size(context, route)
        chunked = size is None
        if route.inspects_body:
            body = await read_body(receive, limit=MAX_INSPECTED, gap=self.body_timeout)
            payload = inspect(route, body, workspace.default_experiment, workspace.name or "")
            if workspace.name is not None and payload.references_resources:
                await self.origins.check(workspace.name, payload)
            request.body = payload.body
        elif route.otlp:
            body = await read_body(receive, limit=MAX_SPANS, gap=self.body_timeout)
            media_type = spans_type(context.headers.get(b"content-type", b""))
            encoding = context.headers.get(b"content-encoding")
            request.body = checked_spans(body, media_type, encoding)
            described = (b"content-type", b"content-encoding")
            request.headers = [item for item in request.headers if item[0] not in described]
            request.headers.append((b"content-type", media_type))
        elif not route.artifact and (chunked or 0 < (size or 0) <= MAX_INSPECTED):
            # MLflow reads a chunked JSON body as an empty one, and a body with half a surrogate
            # pair only up to there: what follows is lost, and the answer may be 200.
            request.body = await read_body(receive, limit=MAX_INSPECTED, gap=self.body_timeout)
            check_text(request.body)
        else:
            request.content_length = size
            request.chunked = chunked

    def _size(self, context: RequestContext, route: Route) -> int | None:
        """The length of the body in bytes, None for a chunked one. Raises where it is too much."""
        size = None if b"transfer-encoding" in context.headers else context.head.length
        if route.method in BODILESS and size != 0:
            raise InvalidParameterError(
                f"A {route.method} takes no body here. Pass the parameters in the query."
            )
        if size is not None and size > self.max_upload:
            raise BodyTooLargeError(f"A request's body may have at most {self.max_upload} bytes.")
        if size is not None and size > MAX_DOCUMENT and not route.artifact and not route.otlp:
            # MLflow holds such a body in memory, several times over.
            raise BodyTooLargeError(f"This request's body may have at most {MAX_DOCUMENT} bytes.")
        if route.inspects_body and b"content-encoding" in context.headers:
            raise InvalidParameterError("The body must come without Content-Encoding.")
        return size
