"""The control plane: Hokusai's own endpoints, as a FastAPI application behind the edge."""

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from app.access.audit import endpoints as audit
from app.access.identity import auth_endpoints, key_endpoints, tenant_endpoints
from app.access.identity.sessions import endpoints as session_endpoints
from app.access.quotas import endpoints as quotas
from app.access.tenants import endpoints as tenants
from app.control_plane import health
from app.control_plane.attestations import endpoints as attestations
from app.control_plane.attestations import proof_endpoints
from app.control_plane.benchmarks import endpoints as benchmarks
from app.control_plane.contributors import endpoints as contributors
from app.control_plane.envelopes import endpoints as envelopes
from app.control_plane.minting import approval_endpoints as mint_approvals
from app.control_plane.minting import endpoints as minting
from app.control_plane.minting import token_endpoints as tokens
from app.control_plane.model_files import endpoints as model_files
from app.control_plane.proofs import endpoints as proofs
from app.control_plane.query_parameters import refuse_unknown
from app.control_plane.reference import openapi
from app.control_plane.reference.endpoints import ReferenceEndpoints
from app.control_plane.registry import endpoints as models
from app.control_plane.registry import registration_events
from app.control_plane.request_schema import RequestSchemas
from app.control_plane.static_routes import StaticRoutes
from app.control_plane.transparency_log import endpoints as transparency_log
from app.control_plane.transparency_log import tile_endpoints as log_tiles
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
from app.edge.error_response import send_error
from app.edge.request_rules import METHODS
from app.telemetry.metrics import Metrics

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = (
    "The API with which third parties register the models that they train with Hokusai. MLflow's "
    "own REST API is below /api/mlflow; GET /api/mlflow/api/2.0/mlflow/help lists it."
)

# The path of a request that MLflow's client sends to a tracking URI without /api/mlflow.
MLFLOW_ROUTE = re.compile(r"/(?:ajax-)?api/[0-9.]+/mlflow|^/v1/traces$")

ROUTERS = (
    auth_endpoints.router,
    session_endpoints.router,
    quotas.router,
    quotas.admin_router,
    key_endpoints.router,
    key_endpoints.admin_router,
    tenants.router,
    tenant_endpoints.router,
    tokens.router,
    audit.router,
    models.router,
    registration_events.router,
    model_files.router,
    contributors.router,
    benchmarks.router,
    proofs.router,
    proof_endpoints.router,
    # Before `/api/attestations/{digest}`, which matches its path too.
    transparency_log.router,
    log_tiles.router,
    attestations.router,
    attestations.contributors,
    attestations.well_known,
    envelopes.attestations,
    envelopes.models,
    envelopes.well_known,
    minting.router,
    minting.requests,
    mint_approvals.router,
    health.router,
)
# Pairs of method and path that need no credential.
PUBLIC = (
    frozenset({("GET", "/docs"), ("GET", "/openapi.json")})
    | health.PUBLIC
    | auth_endpoints.PUBLIC
    | session_endpoints.PUBLIC
    | attestations.PUBLIC
    | transparency_log.PUBLIC
    | envelopes.PUBLIC
    | log_tiles.PUBLIC
)


def create_api(lifespan: Lifespan, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """The FastAPI application.

    lifespan: runs while the gateway serves. pages: the routes of the pages for people.
    """
    api = FastAPI(
        title="Hokusai registry gateway",
        description=DESCRIPTION,
        version=version(health.NAME),
        # Passed directly: `include_router` would build every route a second time.
        routes=[*(route for router in ROUTERS for route in router.routes), *pages],
        lifespan=lifespan,
        openapi_url=None,  # FastAPI would serialize the document for each request
        docs_url=None,  # FastAPI's page loads its scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,  # clients silently turn a redirected POST into a GET
        exception_handlers={
            GatewayError: _gateway_error,
            RequestValidationError: partial(_validation_error, RequestSchemas()),
            HTTPException: _http_error,
            Exception: _unexpected_error,
        },
    )
    openapi.complete(api, PUBLIC)
    reference = ReferenceEndpoints(api)

    api.add_route("/openapi.json", reference.document, include_in_schema=False)
    api.add_route("/docs", reference.page, include_in_schema=False)
    refuse_unknown(api.router.routes)
    api.router.middleware_stack = StaticRoutes(api.router.app, api.router.routes)
    return api


class _ErrorResponse(Response):
    """A GatewayError as a Starlette response; `send_error` renders it, as everywhere."""

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
        # The token endpoint, which is behind the layer that counts all other failures.
        state_of(request)[Metrics].count_authentication_failure(error.reason)
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
    # The input is not repeated, since it may contain a secret that was put in the wrong place.
    problems = problems_of(errors, await schemas.of(request.scope["route"]))
    lines = [f"{_spoken(one.where)}: {one.problem}" for one in problems]
    more = len(errors) - MOST_PROBLEMS if len(problems) == MOST_PROBLEMS else 0
    if more > 0:
        lines.append(f"and {more:,} more")
    return _ErrorResponse(
        UnprocessableError(_joined(lines), extra={"problems": [asdict(one) for one in problems]})
    )


def _joined(lines: Sequence[str]) -> str:
    """Some lines as one. What one of the app's own validators says may end with a period."""
    return "; ".join([*(line.removesuffix(".") for line in lines[:-1]), lines[-1]])


# The names of the parts of a request other than its body.
_PARTS = {"query": "query parameter", "path": "path parameter", "header": "header"}


def _spoken(where: str) -> str:
    """A place as a sentence names it, such as `query parameter limit`."""
    for part, name in _PARTS.items():
        if where.startswith(part):
            return f"{name} {where.removeprefix(part).removeprefix('.')}"
    return where


async def _http_error(request: Request, error: Exception) -> Response:
    """FastAPI's own errors: an unknown route, an unknown method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        message = "There is no such endpoint. GET /docs lists all endpoints."
        if MLFLOW_ROUTE.search(request.url.path):
            message = (
                "This is a route of MLflow, whose API is below /api/mlflow here. Set the tracking "
                "URI to the gateway's URL with /api/mlflow at its end."
            )
        return _ErrorResponse(UnknownRouteError(message + _meant(request)))
    if error.status_code == 405:
        allow = ", ".join(_methods(request))
        message = f"{request.method} is not allowed for this path; allowed: {allow}."
        headers = [(b"allow", allow.encode())]
        return _ErrorResponse(MethodNotAllowedError(message + _meant(request), headers=headers))
    message = "The body cannot be read. Send one JSON document in UTF-8."
    return _ErrorResponse(InvalidParameterError(message))


def _meant(request: Request) -> str:
    """A sentence with the endpoint that a path names without its `/api`, or nothing."""
    path = f"/api{request.url.path}"
    scope = {**request.scope, "path": path}
    if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
        return f" Did you mean {path[:200]}?"
    return ""


def _methods(request: Request) -> list[str]:
    """The methods that a path allows, in the routes with the fewest parameters that match it.

    Starlette lists the methods of the first matching route only. And a path such as
    `/api/models/baseline` is a route of its own, although `/api/models/{model_id}` matches it too.
    """
    by_parameters: dict[int, set[str]] = {}
    for route in request.app.router.routes:
        for method in METHODS:
            if route.matches({**request.scope, "method": method})[0] is Match.FULL:
                by_parameters.setdefault(route.path.count("{"), set()).add(method)
    return sorted(by_parameters[min(by_parameters)]) if by_parameters else []


async def _unexpected_error(_: Request, __: Exception) -> Response:
    return _ErrorResponse(InternalError())
