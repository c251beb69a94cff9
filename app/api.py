"""Hokusai's own endpoints: an ordinary FastAPI application behind the edge."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.attestations import endpoints as attestations
from app.audit import endpoints as audit
from app.edge.body import MAX_DOCUMENT, read_body
from app.edge.envelope import send_error
from app.errors import (
    BadRequestError,
    GatewayError,
    InternalError,
    MethodNotAllowedError,
    UnknownRouteError,
    UnprocessableError,
)
from app.exchange import exchange_of
from app.health import router as health
from app.identity import auth_endpoints, key_endpoints
from app.limits import endpoints as limits
from app.tenants import endpoints as tenants

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

DESCRIPTION = (
    "What a third party reaches when it trains a model anywhere and registers it with Hokusai. "
    "MLflow's own REST API is below /api/mlflow: GET /api/mlflow/api/2.0/mlflow/help lists it."
)


def create_api(lifespan: Lifespan) -> FastAPI:
    """The routers and the error handlers; `lifespan` fills `app.state`."""
    api = FastAPI(
        title="Hokusai registry gateway",
        description=DESCRIPTION,
        version="1",
        lifespan=lifespan,
        redirect_slashes=False,  # a client turns a redirected POST into a GET, and reports nothing
        exception_handlers={
            GatewayError: _gateway_error,
            RequestValidationError: _validation_error,
            HTTPException: _http_error,
            Exception: _unexpected_error,
        },
    )
    api.include_router(health)
    for router in (
        auth_endpoints.router,
        limits.router,
        key_endpoints.router,
        key_endpoints.admin_router,
        tenants.router,
        audit.router,
        attestations.router,
        attestations.well_known,
    ):
        api.include_router(router)
    return api


class Documents:
    """ASGI middleware around the FastAPI half: its bodies are documents, bounded in size and time.

    It reads the body before FastAPI does, which would turn our errors into errors of its own.
    """

    def __init__(self, app: ASGIApp, gap: float) -> None:
        self.app = app
        self.gap = gap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes | None = await read_body(receive, limit=MAX_DOCUMENT, gap=self.gap)

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
                exchange_of(scope).route = route.path


class _ErrorResponse(Response):
    """An error as a Starlette response, by the one renderer."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__()
        self.error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_error(self.error, exchange_of(scope).request_id, send)


async def _gateway_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, GatewayError)
    return _ErrorResponse(error)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"where": ".".join(map(str, problem["loc"])), "problem": problem["msg"]}
        for problem in error.errors()
    ]
    # The input itself is not repeated: it may hold a secret that was put in the wrong place.
    message = "; ".join(f"{problem['where']}: {problem['problem']}" for problem in problems)
    return _ErrorResponse(UnprocessableError(message, extra={"problems": problems}))


async def _http_error(request: Request, error: Exception) -> Response:
    """FastAPI's own errors: no such route, no such method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        known: GatewayError = UnknownRouteError("There is no such endpoint. GET /docs lists them.")
    elif error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        known = MethodNotAllowedError(
            f"{request.method} is not possible here; it takes {allow}.",
            headers=[(b"allow", allow.encode())],
        )
    else:
        known = BadRequestError(str(error.detail))
    return _ErrorResponse(known)


async def _unexpected_error(_: Request, __: Exception) -> Response:
    return _ErrorResponse(InternalError())


PUBLIC = frozenset({("GET", "/docs"), ("GET", "/openapi.json")})
