"""HTTP endpoints for operations: liveness, readiness, version, metrics."""

import asyncio
import time
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import ProgrammingError
from starlette.responses import PlainTextResponse

from app.core.app_state import state_of
from app.core.disk_space import MIN_FREE, describe, free_bytes
from app.core.errors import GatewayError
from app.database.engine import Database, driver_message
from app.database.revision import is_sufficient, newest_revision
from app.mlflow.client import MLflowClient
from app.rest.dependencies import Admin
from app.telemetry.metrics import CONTENT_TYPE, Metrics

# Seconds in which the checks end: orchestrators seldom wait longer for the response to a probe.
PROBE_SECONDS = 2.5
# Seconds for which the results of the checks are kept, since anybody may request them.
CACHE_SECONDS = 1.0
NAME = "hokusai-registry-gateway"
# The entry of the ASGI lifespan's state, copied into every request's scope, that is true from the
# first stop signal on.
DRAINING = "draining"

router = APIRouter(tags=["health"])
PUBLIC = frozenset(
    (method, path) for method in ("GET", "HEAD") for path in ("/livez", "/readyz", "/version")
)


class Check(BaseModel):
    """The result of one check."""

    ready: bool
    detail: str = Field(description="For people.", examples=["alive"])


class Readiness(BaseModel):
    """Whether the gateway can serve requests, and the result of each check."""

    ready: bool
    checks: dict[str, Check] = Field(
        description="`migrations` (the database, its schema, and whether it accepts changes) and "
        "`upstream` (MLflow, its database, and whether it accepts the gateway); only "
        "`draining` while the gateway stops.",
        examples=[
            {
                "migrations": {"ready": True, "detail": "revision 0001"},
                "upstream": {"ready": True, "detail": "MLflow responds"},
            }
        ],
    )


class ReadinessChecks:
    """Checks the database and MLflow: single-flight, with results cached for `CACHE_SECONDS`.

    needs_workspaces: whether MLflow has to keep tenants apart.
    artifacts: the directory of the MLflow that `serve` starts. If it exists, its disk is checked.
    """

    def __init__(
        self,
        database: Database,
        mlflow: MLflowClient,
        *,
        needs_workspaces: bool,
        artifacts: Path | None = None,
    ) -> None:
        self._database = database
        self._mlflow = mlflow
        self._needs_workspaces = needs_workspaces
        self._artifacts = artifacts
        self._task: asyncio.Task[dict[str, Check]] | None = None
        self._expires_at = 0.0

    async def __call__(self) -> dict[str, Check]:
        """The results by the names of the checks, within `PROBE_SECONDS`."""
        task = self._task
        if task is None or (task.done() and time.monotonic() >= self._expires_at):
            task = self._task = asyncio.create_task(self._run())
        # Shielded: the caller that started the checks may leave while others wait for them.
        return await asyncio.shield(task)

    async def _run(self) -> dict[str, Check]:
        migrations, upstream = await asyncio.gather(
            _migrations(self._database),
            self._upstream(),
        )
        self._expires_at = time.monotonic() + CACHE_SECONDS
        return {"migrations": migrations, "upstream": upstream}

    async def _upstream(self) -> Check:
        free = free_bytes(self._artifacts) if self._artifacts else None
        if free is not None and self._artifacts and free < MIN_FREE:
            return Check(ready=False, detail=describe(self._artifacts, free))
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                if self._needs_workspaces and not await self._mlflow.has_workspaces():
                    return Check(ready=False, detail="MLflow runs without --enable-workspaces")
                await self._mlflow.check_access()
        except TimeoutError:
            return Check(ready=False, detail="MLflow does not respond")
        except GatewayError as error:
            return Check(ready=False, detail=error.fault)
        return Check(ready=True, detail="MLflow responds")


class Version(BaseModel):
    """The gateway's version."""

    name: str = Field(examples=[NAME])
    version: str = Field(examples=["0.1.0"])


@router.head("/livez", include_in_schema=False)
@router.get("/livez")
async def livez() -> Check:
    """Whether the process responds, whatever the state of the database and MLflow."""
    return Check(ready=True, detail="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Whether to send requests here: the database, its schema and MLflow are ready, and the gateway
    is not stopping. 503 if not."""
    if getattr(request.state, DRAINING, False):
        response.status_code = 503
        detail = "this gateway is stopping: send requests to another one"
        return Readiness(ready=False, checks={DRAINING: Check(ready=False, detail=detail)})
    state = state_of(request)
    checks = await state[ReadinessChecks]()
    state[Metrics].set_readiness({name: check.ready for name, check in checks.items()})
    ready = all(check.ready for check in checks.values())
    if not ready:
        response.status_code = 503
    return Readiness(ready=ready, checks=checks)


@router.head("/version", include_in_schema=False)
@router.get("/version")
async def show_version() -> Version:
    """The name and version of the gateway."""
    return Version(name=NAME, version=version(NAME))


@router.get("/metrics", tags=["admin"], response_class=PlainTextResponse)
async def metrics(request: Request, _: Admin) -> Response:
    """Prometheus metrics, for an admin. HOKUSAI_METRICS_PORT serves them on a port of their own."""
    exposition = state_of(request)[Metrics].exposition()
    return Response(exposition, media_type=CONTENT_TYPE)


async def _migrations(database: Database) -> Check:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            revision = await database.revision()
            if not is_sufficient(revision):
                return Check(
                    ready=False,
                    detail=f"revision {revision} instead of {newest_revision()}: migrate",
                )
            await database.check_writable()
    except TimeoutError:
        return Check(ready=False, detail="The registry's database does not respond.")
    except GatewayError as error:
        return Check(ready=False, detail=error.fault)
    except ProgrammingError as error:
        return Check(ready=False, detail=f"{driver_message(error)}: migrate")
    return Check(ready=True, detail=f"revision {revision}")
