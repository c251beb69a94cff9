"""Hokusai's own endpoints: an ordinary FastAPI application behind the edge."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.audit import endpoints as audit
from app.access.identity import auth_endpoints, key_endpoints
from app.access.rate_limits import endpoints as limits
from app.access.tenants import endpoints as tenants
from app.control_plane import health
from app.control_plane.attestations import endpoints as attestations
from app.control_plane.contributors import endpoints as contributors
from app.control_plane.reference import openapi
from app.control_plane.reference.endpoints import ReferenceEndpoints
from app.control_plane.registry import endpoints as models
from app.control_plane.request_schema import RequestSchemas
from app.core import strict_json
from app.core.app_state import state_of
from app.core.errors import (
    GatewayError,
    InternalError,
    InvalidParameterError,
    MethodNotAllowedError,
    UnauthenticatedError,
    UnknownRouteError,
    UnprocessableError,
)
from app.core.request.context import context_of
from app.core.validation_errors import MOST_PROBLEMS, problems_of
from app.edge.body import MAX_DOCUMENT, read_body
from app.edge.lifecycle import send_error
from app.edge.request_rules import METHODS
from app.telemetry.metrics import Metrics

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = (
    "What a third party reaches when it trains a model anywhere and registers it with Hokusai. "
    "MLflow's own REST API is below /api/mlflow: GET /api/mlflow/api/2.0/mlflow/help lists it."
)

PUBLIC = frozenset({("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json")})

ROUTERS = (
    auth_endpoints.router,
    limits.router,
    key_endpoints.router,
    key_endpoints.admin_router,
    tenants.router,
    audit.router,
    models.router,
    contributors.router,
    attestations.router,
    attestations.well_known,
    health.router,
)


def create_api(lifespan: Lifespan) -> FastAPI:
    """The routers and the error handlers; `lifespan` fills `app.state`."""
    api = FastAPI(
        title="Hokusai registry gateway",
        description=DESCRIPTION,
        version=version(health.NAME),
        # As they are: FastAPI builds the routes of a router that is included anew, for each to have
        # what the inclusion says, and here it says nothing.
        routes=[route for router in ROUTERS for route in router.routes],
        lifespan=lifespan,
        openapi_url=None,  # FastAPI writes the document anew for each request
        docs_url=None,  # FastAPI's page loads its scripts from foreign hosts
        redoc_url=None,
        redirect_slashes=False,  # a client turns a redirected POST into a GET, and reports nothing
        exception_handlers={
            GatewayError: _gateway_error,
            RequestValidationError: partial(_validation_error, RequestSchemas()),
            HTTPException: _http_error,
            Exception: _unexpected_error,
        },
    )
    openapi.complete(api, PUBLIC | health.PUBLIC | auth_endpoints.PUBLIC | attestations.PUBLIC)
    described = ReferenceEndpoints(api)

    async def root(_: Request) -> Response:
        return RedirectResponse("docs")

    api.add_route("/openapi.json", described.document, include_in_schema=False)
    api.add_route("/docs", described.page, include_in_schema=False)
    api.add_route("/", root, include_in_schema=False)
    return api


class Documents:
    """ASGI middleware around the FastAPI half: its bodies are documents, bounded in size and time.

    It reads the body before FastAPI does, which would turn our errors into errors of its own, and
    takes JSON in any encoding, with keys that come twice.
    """

    def __init__(self, app: ASGIApp, gap: float) -> None:
        self.app = app
        self.gap = gap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = await read_body(receive, limit=MAX_DOCUMENT, gap=self.gap)
        if body and b"json" in context_of(scope).headers.get(b"content-type", b"").lower():
            strict_json.parse(body)

        async def whole() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            message = {"type": "http.request", "body": body, "more_body": False}
            body = None
            return message

        try:
            await self.app(scope, whole, send)
        finally:
            route = scope.get("route")
            if route is not None:
                context_of(scope).route = route.path


class _ErrorResponse(Response):
    """An error as a Starlette response, by the one renderer."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        context.reason = self.error.reason
        await send_error(self.error, context.request_id, send)


async def _gateway_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    if isinstance(error, UnauthenticatedError):
        # At the door where wallets sign in, behind the layer that counts all others.
        state_of(request)[Metrics].not_authenticated(error.reason)
    return _ErrorResponse(error)


async def _validation_error(
    schemas: RequestSchemas, request: Request, error: Exception
) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = error.errors()
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and any(one["loc"][0] == "body" for one in errors):
        return _ErrorResponse(
            UnprocessableError("Send the body as JSON, with `Content-Type: application/json`.")
        )
    # The input itself is not repeated: it may hold a secret that was put in the wrong place.
    problems = problems_of(errors, await schemas.of(request.scope["route"]))
    lines = [f"{_spoken(one.where)}: {one.problem}" for one in problems]
    if len(problems) == MOST_PROBLEMS < len(errors):
        lines.append("and more")
    return _ErrorResponse(
        UnprocessableError("; ".join(lines), extra={"problems": [asdict(one) for one in problems]})
    )


# What stands in each part of a request but its body.
_KINDS = {"query": "query parameter", "path": "path parameter", "header": "header"}


def _spoken(where: str) -> str:
    """A place as a sentence names it, such as `query parameter limit`."""
    for part, kind in _KINDS.items():
        if where.startswith(part):
            return f"{kind} {where.removeprefix(part).removeprefix('.')}"
    return where


async def _http_error(request: Request, error: Exception) -> Response:
    """FastAPI's own errors: no such route, no such method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        known: GatewayError = UnknownRouteError("There is no such endpoint. GET /docs lists them.")
    elif error.status_code == 405:
        allow = ", ".join(_methods(request))
        known = MethodNotAllowedError(
            f"{request.method} is not possible here; it takes {allow}.",
            headers=[(b"allow", allow.encode())],
        )
    else:
        known = InvalidParameterError("The body cannot be read. Send one JSON document in UTF-8.")
    return _ErrorResponse(known)


def _methods(request: Request) -> list[str]:
    """What the path takes; Starlette names the methods of the first route only.

    A path that is spelled out is not another one's parameter, though a GET of it would be read so.
    """
    found: dict[int, set[str]] = {}
    for route in request.app.router.routes:
        for method in METHODS:
            if route.matches({**request.scope, "method": method})[0] is Match.FULL:
                found.setdefault(route.path.count("{"), set()).add(method)
    return sorted(found[min(found)]) if found else []


async def _unexpected_error(_: Request, __: Exception) -> Response:
    return _ErrorResponse(InternalError())
