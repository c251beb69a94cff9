"""Checks of MLflow: whether it responds, accepts the gateway's credential, and has workspaces."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from app.cli.doctor.result import CheckResult, Level, ok, problem
from app.control_plane.health import PROBE_SECONDS
from app.core.errors import (
    GatewayError,
    StartupError,
    UpstreamCredentialError,
    UpstreamMisconfiguredError,
)
from app.core.settings import Settings
from app.data_plane.upstream.client import UpstreamClient
from app.database.engine import driver_message
from app.mlflow.client import MLflowClient
from app.mlflow.version import OLDEST, OLDEST_RELEASE, release_of

URL = "HOKUSAI_MLFLOW_URL"
CREDENTIAL = "HOKUSAI_MLFLOW_AUTHORIZATION"


async def check_mlflow(settings: Settings) -> AsyncIterator[CheckResult]:
    """Run the checks, with the time limits of /readyz; yield each result when it is known."""
    assert settings.mlflow_url is not None
    try:
        upstream = UpstreamClient.from_settings(settings)
    except StartupError as error:
        yield problem("MLflow", str(error))
        return
    secret = settings.mlflow_authorization
    mlflow = MLflowClient(
        upstream.base_url, upstream, authorization=secret.get_secret_value() if secret else None
    )
    try:
        async for result in _check(settings, mlflow):
            yield result
    finally:
        await mlflow.close()


async def _check(settings: Settings, mlflow: MLflowClient) -> AsyncIterator[CheckResult]:
    url = settings.mlflow_url
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            alive = await mlflow.is_alive()
            version = await mlflow.server_version()
    except TimeoutError:
        yield problem("MLflow", f"no response from {url} within {PROBE_SECONDS} s: see its log")
        return
    except (GatewayError, httpx.HTTPError) as error:
        yield problem("MLflow", f"{url}: {_describe(error)} Start it, or correct {URL}")
        return
    yield _version(f"at {url}", version)
    checks: dict[str, Callable[[], Awaitable[CheckResult]]] = {
        "credential": lambda: _credential(
            mlflow, is_configured=settings.mlflow_authorization is not None
        ),
    }
    if settings.tenancy == "workspaces":
        checks["workspaces"] = lambda: _workspaces(mlflow)
    for subject, check in checks.items():
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                result = await check()
        except TimeoutError:
            result = problem(
                subject, f"no response from MLflow within {PROBE_SECONDS} s: see its log"
            )
        except (GatewayError, httpx.HTTPError) as error:
            result = problem(
                subject, f"{_describe(error)} See MLflow's log, and check that {URL} is MLflow"
            )
        yield result
        if result.level is Level.PROBLEM:
            # The checks after it would fail for the same reason.
            return
    if not alive:
        yield problem("health", f"{url}/health does not report that MLflow is healthy: see its log")


def _version(place: str, version: str | None) -> CheckResult:
    if version is None:
        return ok("MLflow", f"responds {place}, but does not report its version")
    release = release_of(version)
    if release is not None and release < OLDEST_RELEASE:
        return problem("MLflow", f"{version} {place}: the gateway needs {OLDEST} or later")
    return ok("MLflow", f"{version} {place}")


async def _credential(mlflow: MLflowClient, *, is_configured: bool) -> CheckResult:
    try:
        await mlflow.check_access()
    except UpstreamCredentialError:
        if is_configured:
            return problem("credential", f"MLflow rejects the one in {CREDENTIAL}: correct it")
        return problem("credential", f"MLflow requires one: set {CREDENTIAL}")
    except UpstreamMisconfiguredError as error:
        return problem("host", error.message)
    return ok("credential", "accepted by MLflow" if is_configured else "MLflow requires none")


async def _workspaces(mlflow: MLflowClient) -> CheckResult:
    if await mlflow.has_workspaces():
        return ok("workspaces", "enabled: each tenant is an MLflow workspace")
    return problem(
        "workspaces",
        "MLflow runs without them: start it with --enable-workspaces; or set "
        "HOKUSAI_TENANCY=shared, if all tenants may see each other's data",
    )


def _describe(error: Exception) -> str:
    if not isinstance(error, GatewayError):
        return f"{type(error).__name__}."
    if error.__cause__ is None:
        return error.fault
    return f"{error.fault.removesuffix('.')}: {driver_message(error.__cause__)}."
