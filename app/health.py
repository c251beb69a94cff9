"""Whether the gateway lives and is ready, and which version it is."""

import asyncio
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse

from app.database import Database
from app.drain import DRAINING
from app.errors import GatewayError
from app.identity.dependencies import Admin
from app.metrics import CONTENT_TYPE, Metrics
from app.mlflow.control import MLflowControl

# What an orchestrator waits for an answer is seldom more than this.
PROBE_SECONDS = 2.5
NAME = "hokusai-registry-gateway"

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
    """Looks at what readiness needs.

    revision: the schema's that this program was written for.
    """

    def __init__(
        self, database: Database, revision: str, mlflow: MLflowControl, *, needs_workspaces: bool
    ) -> None:
        self._database = database
        self._revision = revision
        self._mlflow = mlflow
        self._needs_workspaces = needs_workspaces

    async def __call__(self) -> dict[str, Check]:
        """All checks by name, within PROBE_SECONDS."""
        migrations, upstream = await asyncio.gather(
            _migrations(self._database, self._revision),
            _upstream(self._mlflow, needs_workspaces=self._needs_workspaces),
        )
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
    state = request.app.state
    checks = await state.checks()
    state.metrics.found_ready({name: check.ready for name, check in checks.items()})
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
    collected: Metrics = request.app.state.metrics
    return Response(collected.exposition(), media_type=CONTENT_TYPE)


async def _migrations(database: Database, wanted: str) -> Check:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            found = await database.revision()
    except (GatewayError, TimeoutError):
        return Check(ready=False, detail="the database does not answer")
    if found != wanted:
        return Check(ready=False, detail=f"revision {found} instead of {wanted}: migrate")
    return Check(ready=True, detail=f"revision {found}")


async def _upstream(mlflow: MLflowControl, *, needs_workspaces: bool) -> Check:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            if needs_workspaces and not await mlflow.has_workspaces():
                return Check(ready=False, detail="MLflow runs without --enable-workspaces")
            alive = await mlflow.alive()
    except (GatewayError, TimeoutError):
        alive = False
    return Check(ready=alive, detail="MLflow answers" if alive else "MLflow does not answer")
