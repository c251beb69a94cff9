"""MLflow: whether it answers, keeps tenants apart, and accepts the gateway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from app.cli.doctor.result import Finding, Level, ok, problem
from app.control_plane.health import PROBE_SECONDS
from app.core.errors import GatewayError, StartupError
from app.core.settings import Settings
from app.data_plane.upstream.client import UpstreamClient
from app.database.engine import driver_message
from app.mlflow.client import MLflowClient
from app.mlflow.version import OLDEST, OLDEST_RELEASE, release_of

URL = "HOKUSAI_MLFLOW_URL"
CREDENTIAL = "HOKUSAI_MLFLOW_AUTHORIZATION"


async def check_mlflow(settings: Settings) -> AsyncIterator[Finding]:
    """Each finding as it is made, with the timeouts of readiness."""
    assert settings.mlflow_url is not None
    try:
        upstream = UpstreamClient.from_settings(settings)
    except StartupError as error:
        yield problem("MLflow", str(error))
        return
    secret = settings.mlflow_authorization
    mlflow = MLflowClient(
        settings.mlflow_url, upstream, authorization=secret.get_secret_value() if secret else None
    )
    try:
        async for finding in _look(settings, mlflow):
            yield finding
    finally:
        await mlflow.close()


async def _look(settings: Settings, mlflow: MLflowClient) -> AsyncIterator[Finding]:
    url = settings.mlflow_url
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            alive = await mlflow.is_alive()
            version = await mlflow.server_version()
    except TimeoutError:
        yield problem("MLflow", f"no answer from {url} within {PROBE_SECONDS} s: see its log")
        return
    except (GatewayError, httpx.HTTPError) as error:
        yield problem("MLflow", f"{url}: {_words(error)} Start it, or correct {URL}")
        return
    yield _version(f"at {url}", version)
    checks: dict[str, Callable[[], Awaitable[Finding]]] = {
        "credential": lambda: _credential(mlflow, given=settings.mlflow_authorization is not None),
    }
    if settings.tenancy == "workspaces":
        checks["workspaces"] = lambda: _workspaces(mlflow)
    for subject, check in checks.items():
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                finding = await check()
        except TimeoutError:
            finding = problem(
                subject, f"no answer from MLflow within {PROBE_SECONDS} s: see its log"
            )
        except (GatewayError, httpx.HTTPError) as error:
            finding = problem(
                subject, f"{_words(error)} See MLflow's log, and whether {URL} is MLflow"
            )
        yield finding
        if finding.level is Level.PROBLEM:
            # What comes after it would fail for the same reason.
            return
    if not alive:
        yield problem("health", f"{url}/health does not say that MLflow is well: see its log")


def _version(place: str, version: str | None) -> Finding:
    if version is None:
        return ok("MLflow", f"answers {place}, and does not tell its version")
    release = release_of(version)
    if release is not None and release < OLDEST_RELEASE:
        return problem("MLflow", f"{version} {place}: the gateway needs {OLDEST} or later")
    return ok("MLflow", f"{version} {place}")


async def _credential(mlflow: MLflowClient, *, given: bool) -> Finding:
    if await mlflow.accepts_credential():
        return ok("credential", "accepted by MLflow" if given else "MLflow asks for none")
    if given:
        return problem("credential", f"MLflow refuses the one in {CREDENTIAL}: correct it")
    return problem("credential", f"MLflow asks for one: set {CREDENTIAL}")


async def _workspaces(mlflow: MLflowClient) -> Finding:
    if await mlflow.has_workspaces():
        return ok("workspaces", "on: a tenant is an MLflow workspace")
    return problem(
        "workspaces",
        "MLflow runs without them: start it with --enable-workspaces, or, where all tenants may "
        "see everything, set HOKUSAI_TENANCY=shared",
    )


def _words(error: Exception) -> str:
    if not isinstance(error, GatewayError):
        return f"{type(error).__name__}."
    # What follows is meant for callers.
    said = error.message.partition(" Try again")[0]
    if error.__cause__ is None:
        return said
    return f"{said.removesuffix('.')}: {driver_message(error.__cause__)}."
