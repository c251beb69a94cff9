"""The proxy of /api/mlflow: turns an authenticated request into one that MLflow may receive.

Longer than most files here: it is the one list of what a request goes through on its way.
"""

from typing import NoReturn
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from app.access.identity.replay_guard import ReplayGuard
from app.access.tenants.workspaces import Workspace, Workspaces
from app.core.errors import (
    BodyTooLargeError,
    InvalidParameterError,
    MLflowRefusalError,
    UnauthenticatedError,
    UpstreamError,
)
from app.core.request.actor import Actor
from app.core.request.context import RequestContext, context_of
from app.core.request.head import RequestHead, RequestLine
from app.core.request.principal import Scope as Right
from app.core.settings import Settings
from app.core.strict_json import check_text, has_escapes
from app.data_plane.proxy.artifact_names import check_name, explain_failed_upload
from app.data_plane.proxy.body_policy import (
    MAX_INSPECTED,
    MAX_PARAMETERS,
    inspect,
    inspect_parameters,
    is_parsed,
    rewrite_experiment,
    rewrite_query,
)
from app.data_plane.proxy.graphql_policy import MAX_REQUEST, checked_request
from app.data_plane.proxy.interface.application import Interface
from app.data_plane.proxy.interface.own_responses import OWN_RESPONSES
from app.data_plane.proxy.json_fields import parse
from app.data_plane.proxy.manifest import Match, Route, load_manifest
from app.data_plane.proxy.otlp import MAX_SPANS, checked_spans, spans_type
from app.data_plane.proxy.ownership import OwnershipChecker
from app.data_plane.proxy.path_policy import PREFIX, upstream_target, with_query
from app.data_plane.proxy.route_reference import RouteReference
from app.data_plane.proxy.search_policy import check_query
from app.data_plane.proxy.server_info import ServerInfo
from app.data_plane.upstream.client import UpstreamClient
from app.data_plane.upstream.headers import RawHeaders, request_headers
from app.data_plane.upstream.request import UpstreamRequest, encode_headers
from app.edge.body import BodyInMemory
from app.edge.documents import MAX_INLINE, Documents
from app.mlflow.client import SERVER_INFO, MLflowClient

WORKSPACE = b"x-mlflow-workspace"
NOT_FOUND = 404
# Bytes of the largest body of a route that neither takes an artifact nor has its body inspected.
MAX_API_BODY = 8 * 1024 * 1024
# Bytes of a file that the web interface uploads: MLflow takes no more, and reads it whole.
MAX_FILE = 10 * 1024 * 1024
HELP = "/api/2.0/mlflow/help"
# Open without a credential: the list of routes is not secret, and a browser sends no key.
PUBLIC = frozenset((method, PREFIX.decode() + HELP) for method in ("GET", "HEAD"))
# Responses that need neither MLflow nor the database.
UNCOUNTED = frozenset(("GET", PREFIX.decode() + pattern) for pattern in OWN_RESPONSES)
# Where public files are: those of MLflow's web interface.
FILES = (f"{PREFIX.decode()}/static-files/",)


class Proxy:
    """The proxy as a raw ASGI application: bodies do not pass through FastAPI.

    Raises GatewayErrors, which the lifecycle renders.
    """

    def __init__(
        self,
        settings: Settings,
        upstream: UpstreamClient,
        workspaces: Workspaces,
        replay_guard: ReplayGuard,
        mlflow: MLflowClient,
        documents: Documents,
        credential: str | None,
    ) -> None:
        """credential: the value of the Authorization header that the gateway sends to MLflow."""
        self.manifest = load_manifest()
        # Routes without parameters by method and undecoded path, with the path for MLflow: one
        # look-up is enough for most requests.
        self._fixed = {
            (route.method, PREFIX + route.pattern.encode()): (Match(route), route.pattern.encode())
            for route in self.manifest.routes
            if route.refused is None and "{" not in route.pattern
        }
        self.route_reference = RouteReference(self.manifest)
        self.interface = Interface(mlflow)
        self.upstream = upstream
        self.workspaces = workspaces
        self.replay_guard = replay_guard
        self.mlflow = mlflow
        self.ownership = OwnershipChecker(mlflow)
        self.documents = documents
        self.max_upload = settings.max_upload
        self.server_info = None if settings.direct_artifacts else ServerInfo(mlflow)
        self.credential = credential.encode() if credential else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        line = RequestLine.of(scope)
        match, target = self._match(line, context)
        route = match.route
        if route.pattern == HELP:
            await self.route_reference(scope, receive, send)
            return
        if route.gateway:
            await self.interface.respond(route, scope, receive, send)
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
            await self.ownership.check_dataset(workspace.name, match.parameters[0])
        request = self._upstream_request(line, context, route, target, workspace)
        with self.documents.body_of(context) as held:
            await self._set_body(request, line, context, route, workspace, held, receive)
            if context.wallet_proof is not None:
                # As late as possible: a request that the gateway refuses consumes no signature.
                await self.replay_guard.consume(context.wallet_proof)
            try:
                await self.upstream.forward(request, receive, send, scope.get("zero_copy"))
            except UpstreamError as error:
                await self.raise_explained(error, line, context, request.body)

    async def raise_explained(
        self, error: UpstreamError, line: RequestLine, context: RequestContext, body: bytes | None
    ) -> NoReturn:
        """Raise the error of a forwarded request, or one that says what its caller did wrong.

        That is a body that is not a JSON object, for which MLflow has no words, or an upload that
        it cannot store under its name. body: as it was forwarded; None if it was streamed.
        """
        # Only for a response of MLflow, which subclasses do not stand for.
        if type(error) is UpstreamError and context.principal is not None:
            path, _ = upstream_target(line.path)
            match = self.manifest.match(line.method, path)
            if body and not match.route.artifact and not match.route.otlp:
                await self.documents.work(context, len(body), parse, body)
            workspace = self.workspaces.cached(context.principal.tenant)
            if match.route.artifact and workspace is not None:
                reason = await explain_failed_upload(
                    self.mlflow, workspace.name, match.parameters[0]
                )
                if reason is not None:
                    raise reason from error
        raise error

    def prepare_without_io(
        self, line: RequestLine, context: RequestContext, body: bytes
    ) -> UpstreamRequest | None:
        """The upstream request for a fully received one; None where that needs I/O or a thread.

        body: the whole body. Applies the same rules as the ASGI call, except for those that ask
        MLflow or the database, and raises the same errors. The caller has to consume a wallet proof
        that is left in the context before it sends anything.
        """
        match, target = self._match(line, context)
        route, principal = match.route, context.principal
        if route.needs_task or principal is None:
            return None
        if self.server_info is not None and route.pattern == SERVER_INFO:
            return None
        workspace = self.workspaces.cached(principal.tenant)
        if workspace is None:
            return None
        request = self._upstream_request(line, context, route, target, workspace)
        self._body_length(line, context, route)
        large = len(body) > MAX_INLINE
        if route.method == "GET":
            if large:
                return None
            if body:
                sent, default = body, workspace.default_experiment
                body = inspect_parameters(route, sent, line.query, default)
                if body and body is not sent:
                    self._allow_new_default(request, line, context, route, workspace, sent)
        elif route.inspects_body:
            if large and is_parsed(route, body):
                return None
            payload = inspect(route, body, workspace.default_experiment, workspace.name or "")
            if workspace.name is not None and payload.references_resources:
                return None
            if payload.body is not body:
                self._allow_new_default(request, line, context, route, workspace, body)
            body = payload.body
        elif body and not route.artifact:
            if large and has_escapes(body):
                return None
            check_text(body)
        request.body = body
        return request

    def _match(self, line: RequestLine, context: RequestContext) -> tuple[Match, bytes]:
        """The route of a request, and the target for MLflow.

        Sets the context's route. Raises MissingScopeError, and the errors of `upstream_target` and
        `Manifest.match`.
        """
        fixed = self._fixed.get((line.method, line.path))
        if fixed is not None:
            match, path = fixed
            target = with_query(path, line.query)
        else:
            decoded, target = upstream_target(line.path, line.query)
            match = self.manifest.match(line.method, decoded)
        route = match.route
        context.route = route.pattern
        if not route.public:
            if context.principal is None:
                raise UnauthenticatedError(f"{route.pattern} needs a credential.")
            assert route.scope is not None  # a refused route has no match
            context.principal.require(route.scope)
            if route.scope is Right.READ:
                context.wallet_proof = None  # reading consumes no signature
            if route.names_artifact:
                check_name(match.parameters[0])
        return match, target

    def _upstream_request(
        self,
        line: RequestLine,
        context: RequestContext,
        route: Route,
        target: bytes,
        workspace: Workspace,
    ) -> UpstreamRequest:
        """The request for MLflow, without its body."""
        check_query(route, line.query)
        if route.experiment_queries:
            query = rewrite_query(route, line.query, workspace.default_experiment)
            target = target.partition(b"?")[0] + (b"?" + query if query else b"")
        request_id = context.request_id.encode()
        assert context.principal is not None  # only the gateway's own route is public
        request = UpstreamRequest(line.method.encode(), target, [], caller=context.principal.tenant)
        if route.experiment_queries and query != line.query:
            self._allow_new_default(request, line, context, route, workspace)
        if route.otlp or route.experiment_header is not None:
            request.headers = [
                (name, rewrite_experiment(value, workspace.default_experiment))
                if name == route.experiment_header
                else (name, value)
                for name, value in self._headers(context.head, workspace)
            ]
            request.headers.append((b"x-request-id", request_id))
        else:
            # A request id contains no line end: the lifecycle has checked it.
            request.lines = b"%bx-request-id: %b\r\n" % (
                self._encoded_headers(context.head, workspace),
                request_id,
            )
        return request

    def _allow_new_default(
        self,
        request: UpstreamRequest,
        line: RequestLine,
        context: RequestContext,
        route: Route,
        workspace: Workspace,
        body: bytes = b"",
    ) -> None:
        """Let a request that names the experiment Default be sent again with another id of it.

        MLflow's operator may have removed the experiment whose id the gateway knows. body: as the
        client sent it.
        """
        target = request.target

        async def after_refusal(refusal: MLflowRefusalError) -> UpstreamRequest | None:
            if refusal.status != NOT_FOUND or request.caller is None:
                return None
            renewed = await self.workspaces.renew_default(request.caller, workspace)
            if renewed is None:
                return None
            again = self._upstream_request(line, context, route, target, renewed)
            again.after_refusal = None
            if route.method == "GET" and body:
                again.body = inspect_parameters(route, body, b"", renewed.default_experiment)
            elif route.inspects_body:
                payload = inspect(route, body, renewed.default_experiment, renewed.name or "")
                again.body = payload.body
            return again

        request.after_refusal = after_refusal

    def _encoded_headers(self, head: RequestHead, workspace: Workspace) -> bytes:
        """The headers for MLflow, encoded once for all requests with this head."""
        encoded = head.outbound
        if encoded is None or encoded[0] is not workspace:
            encoded = workspace, encode_headers(self._headers(head, workspace))
            head.outbound = encoded
        return encoded[1]

    def _headers(self, head: RequestHead, workspace: Workspace) -> RawHeaders:
        """The headers for MLflow: those that are forwarded, then the gateway's own."""
        headers = request_headers(head.headers)
        if workspace.name is not None:
            headers.append((WORKSPACE, workspace.name.encode()))
        if self.credential is not None:
            headers.append((b"authorization", self.credential))
        # Always sent: MLflow treats a request without it as local, and trusts it more.
        headers.append((b"x-forwarded-for", head.client.encode() or b"unknown"))
        return headers

    async def _set_body(
        self,
        request: UpstreamRequest,
        line: RequestLine,
        context: RequestContext,
        route: Route,
        workspace: Workspace,
        held: BodyInMemory,
        receive: Receive,
    ) -> None:
        """Give the request its body: streamed, or in memory where the gateway has to read it."""
        size = self._body_length(line, context, route)
        chunked = size is None
        if route.method == "GET":
            if size != 0:
                body = await self.documents.receive(held, receive, limit=MAX_PARAMETERS)
                default, query = workspace.default_experiment, line.query
                request.body = await self.documents.work(
                    context, len(body), inspect_parameters, route, body, query, default
                )
                if request.body and request.body is not body:
                    self._allow_new_default(request, line, context, route, workspace, body)
        elif route.inspects_body:
            body = await self.documents.receive(held, receive, limit=MAX_INSPECTED)
            default, own = workspace.default_experiment, workspace.name or ""
            size = len(body) if is_parsed(route, body) else 0
            payload = await self.documents.work(context, size, inspect, route, body, default, own)
            if workspace.name is not None and payload.references_resources:
                await self.ownership.check(workspace.name, payload)
            if payload.body is not body:
                self._allow_new_default(request, line, context, route, workspace, body)
            request.body = payload.body
        elif route.graphql:
            body = await self.documents.receive(held, receive, limit=MAX_REQUEST)
            media_type = context.headers.get(b"content-type", b"")
            # A query takes far longer to parse than other text of its length.
            request.body = await self.documents.work(
                context,
                8 * len(body),
                checked_request,
                body,
                media_type,
                workspace.default_experiment,
            )
        elif route.file:
            for name in parse_qs(line.query.decode("latin-1")).get("path", []):
                check_name(name)
            request.body = await self.documents.receive(held, receive, limit=MAX_FILE)
        elif route.otlp:
            body = await self.documents.receive(held, receive, limit=MAX_SPANS)
            media_type = spans_type(context.headers.get(b"content-type", b""))
            encoding = context.headers.get(b"content-encoding")
            # A small one may be large once it is unpacked.
            size = len(body) if encoding is None else MAX_SPANS
            request.body = await self.documents.work(
                context, size, checked_spans, body, media_type, encoding
            )
            if encoding is not None:
                held.grow(len(request.body))
            replaced = (b"content-type", b"content-encoding")
            request.headers = [item for item in request.headers if item[0] not in replaced]
            request.headers.append((b"content-type", media_type))
        elif not route.artifact and (chunked or 0 < (size or 0) <= MAX_INSPECTED):
            # MLflow reads a chunked JSON body as empty, and a body with a lone surrogate only up to
            # that: the rest is lost, and the response may still be 200.
            body = await self.documents.receive(held, receive, limit=MAX_INSPECTED)
            await self.documents.work(
                context, len(body) if has_escapes(body) else 0, check_text, body
            )
            request.body = body
        else:
            request.content_length = size
            request.chunked = chunked

    def _body_length(self, line: RequestLine, context: RequestContext, route: Route) -> int | None:
        """The length of the body in bytes; None for a chunked one.

        Raises BodyTooLargeError, and InvalidParameterError for a body that the route must not have.
        """
        size = None if b"transfer-encoding" in context.headers else context.head.length
        if line.method == "HEAD" and size != 0:
            raise InvalidParameterError(
                "A HEAD request must not have a body. Send the parameters in the query."
            )
        if route.method == "GET" and size is not None and size > MAX_PARAMETERS:
            raise BodyTooLargeError(
                f"The JSON body of a GET may have at most {MAX_PARAMETERS} bytes."
            )
        if size is not None and size > self.max_upload:
            raise BodyTooLargeError(
                f"The body of a request may have at most {self.max_upload} bytes."
            )
        unlimited = route.artifact or route.otlp or route.file
        if size is not None and size > MAX_API_BODY and not unlimited:
            # MLflow keeps several copies of such a body in memory.
            raise BodyTooLargeError(
                f"The body of this request may have at most {MAX_API_BODY} bytes."
            )
        inspected = route.inspects_body or route.graphql or (route.method == "GET" and size != 0)
        if inspected and b"content-encoding" in context.headers:
            raise InvalidParameterError(
                "The body of this request must be sent without Content-Encoding."
            )
        return size
