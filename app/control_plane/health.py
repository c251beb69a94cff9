"""Whether the gateway lives and is ready, and which version it is."""

import asyncio
import time
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse

from app.core.app_state import state_of
from app.core.errors import GatewayError
from app.database.engine import Database
from app.database.revision import is_sufficient, newest_revision
from app.mlflow.client import MLflowClient
from app.rest.dependencies import Admin
from app.telemetry.metrics import CONTENT_TYPE, Metrics

# What an orchestrator waits for an answer is seldom more than this.
PROBE_SECONDS = 2.5
# Anybody may ask whether the gateway is ready; it looks no more often than this, in seconds.
FRESH_SECONDS = 1.0
NAME = "hokusai-registry-gateway"
# The entry of the ASGI lifespan's state, copied into every request's scope, that is true from the
# first signal to stop on.
DRAINING = "draining"

router = APIRouter(tags=["health"])
PUBLIC = frozenset(
    (method, path) for method in ("GET", "HEAD") for path in ("/livez", "/readyz", "/version")
)


class Check(BaseModel):
    """One thing that readiness needs."""

    ready: bool
    detail: str = Field(examples=["alive"])


class Readiness(BaseModel):
    """Whether the gateway can serve, and what keeps it from it."""

    ready: bool
    checks: dict[str, Check] = Field(
        description="`migrations` and `upstream`; `draining` alone while the gateway stops.",
        examples=[
            {
                "migrations": {"ready": True, "detail": "revision 0001"},
                "upstream": {"ready": True, "detail": "MLflow answers"},
            }
        ],
    )


class Checks:
    """What readiness depends on. However many ask, one look is taken at a time, and kept a while.

    needs_workspaces: MLflow has to keep tenants apart.
    """

    def __init__(self, database: Database, mlflow: MLflowClient, *, needs_workspaces: bool) -> None:
        self._database = database
        self._mlflow = mlflow
        self._needs_workspaces = needs_workspaces
        self._look: asyncio.Task[dict[str, Check]] | None = None
        self._until = 0.0

    async def __call__(self) -> dict[str, Check]:
        """All checks by name, as they are now or were a second ago; within PROBE_SECONDS."""
        look = self._look
        if look is None or (look.done() and time.monotonic() >= self._until):
            look = self._look = asyncio.create_task(self._take())
        # Who asked first may leave; the others wait for the same look.
        return await asyncio.shield(look)

    async def _take(self) -> dict[str, Check]:
        migrations, upstream = await asyncio.gather(
            _migrations(self._database),
            _upstream(self._mlflow, needs_workspaces=self._needs_workspaces),
        )
        self._until = time.monotonic() + FRESH_SECONDS
        return {"migrations": migrations, "upstream": upstream}


class Version(BaseModel):
    """The gateway's version."""

    name: str = Field(examples=[NAME])
    version: str = Field(examples=["0.1.0"])


@router.head("/livez", include_in_schema=False)
@router.get("/livez")
async def livez() -> Check:
    """The process answers. It says nothing of what the gateway depends on."""
    return Check(ready=True, detail="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Whether requests should come here: the database, its schema, and MLflow; no stop begun."""
    if getattr(request.state, DRAINING, False):
        response.status_code = 503
        detail = "this gateway is stopping: send requests to another one"
        return Readiness(ready=False, checks={DRAINING: Check(ready=False, detail=detail)})
    state = state_of(request)
    checks = await state[Checks]()
    state[Metrics].found_ready({name: check.ready for name, check in checks.items()})
    ready = all(check.ready for check in checks.values())
    if not ready:
        response.status_code = 503
    return Readiness(ready=ready, checks=checks)


@router.head("/version", include_in_schema=False)
@router.get("/version")
async def show_version() -> Version:
    """Which gateway this is."""
    return Version(name=NAME, version=version(NAME))


@router.get("/metrics", tags=["admin"], response_class=PlainTextResponse)
async def metrics(request: Request, _: Admin) -> Response:
    """Prometheus metrics, where they have no port of their own."""
    collected = state_of(request)[Metrics]
    return Response(collected.exposition(), media_type=CONTENT_TYPE)


async def _migrations(database: Database) -> Check:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            found = await database.revision()
    except (GatewayError, TimeoutError):
        return Check(ready=False, detail="the database does not answer")
    if not is_sufficient(found):
        return Check(
            ready=False, detail=f"revision {found} instead of {newest_revision()}: migrate"
        )
    return Check(ready=True, detail=f"revision {found}")


async def _upstream(mlflow: MLflowClient, *, needs_workspaces: bool) -> Check:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            if needs_workspaces and not await mlflow.has_workspaces():
                return Check(ready=False, detail="MLflow runs without --enable-workspaces")
            alive = await mlflow.alive()
    except (GatewayError, TimeoutError):
        alive = False
    return Check(ready=alive, detail="MLflow answers" if alive else "MLflow does not answer")
