"""Checks of this machine: the ports, the data directory, and the installed packages."""

import os
from collections.abc import Iterator
from typing import Any

import httpx

from app.cli.doctor.result import CheckResult, ok, problem, warning
from app.control_plane.health import NAME, PROBE_SECONDS
from app.core.disk_space import LOW_FREE, MIN_FREE, describe, free_bytes
from app.core.errors import StartupError
from app.core.settings import Settings
from app.server.listener import open_socket
from app.standalone.data_directory import DataDirectory

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (connected to, not bound)


def check_ports(settings: Settings) -> Iterator[CheckResult]:
    """Whether the gateway's ports can be bound; each is bound for a moment, without listening.

    A port that a running gateway uses is in order, if that gateway is ready.
    """
    host, port = settings.host, settings.port
    serving: CheckResult | None = None
    try:
        open_socket(host, port).close()
    except StartupError as error:
        serving = _running_gateway(host, port)
        yield serving or problem("port", str(error))
    else:
        yield ok("port", f"{port} of {host} is free" if port else f"a free port of {host}")
    if settings.metrics_port is None:
        return
    host, port = settings.metrics_host, settings.metrics_port
    try:
        open_socket(host, port).close()
    except StartupError as error:
        if serving is not None:
            yield ok("metrics port", f"{port} of {host} is in use, like the gateway's port")
            return
        for name in ("HOST", "PORT"):
            error = StartupError(str(error).replace(f"HOKUSAI_{name}", f"HOKUSAI_METRICS_{name}"))
        yield problem("metrics port", str(error))
    else:
        yield ok("metrics port", f"{port} of {host} is free")


def _running_gateway(host: str, port: int) -> CheckResult | None:
    """Whether the gateway that uses the address is ready; None where it is not a gateway."""
    name = WILDCARDS.get(host, host)
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    try:
        # The response of /readyz takes up to PROBE_SECONDS.
        with httpx.Client(base_url=url, trust_env=False, timeout=2 * PROBE_SECONDS) as client:
            version = _object(client.get("/version"))
            if version.get("name") != NAME:
                return None
            ready = _object(client.get("/readyz"))
    except (httpx.HTTPError, ValueError):
        return None
    text = f"a gateway of version {version.get('version')} serves at {url}"
    if ready.get("ready") is True:
        return ok("port", f"{text} and is ready")
    checks = ready.get("checks", {})
    missing = "; ".join(
        f"{name}: {check.get('detail')}"
        for name, check in (checks.items() if isinstance(checks, dict) else ())
        if isinstance(check, dict) and not check.get("ready")
    )
    return problem("port", f"{text} but is not ready: {missing}")


def _object(response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    return document if isinstance(document, dict) else {}


def check_directory(directory: DataDirectory) -> CheckResult:
    """Whether `serve` could write to its data directory; this check writes nothing."""
    path = directory.path
    # Not Path.exists, which raises where this user may not look.
    nearest = next(parent for parent in (path, *path.parents) if os.access(parent, os.F_OK))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return problem(
            "data", f"cannot write to {nearest}: set HOKUSAI_DATA_DIR to a directory that you own"
        )
    return ok("data", f"{path}" if nearest == path else f"{path}, which `serve` creates")


def check_disk(directory: DataDirectory) -> CheckResult:
    """Whether the disk of the data directory has space for what `serve` stores there."""
    path = next(parent for parent in (directory.path, *directory.path.parents) if parent.exists())
    free = free_bytes(path) or 0
    if free < MIN_FREE:
        return problem("disk", f"{describe(path, free)}: free some, or set HOKUSAI_DATA_DIR")
    if free < LOW_FREE:
        return warning("disk", describe(path, free))
    return ok("disk", f"{free // 1024**3} GB free on the disk of {path}")


def check_embedded_postgres(directory: DataDirectory) -> CheckResult:
    """Whether `serve` can start the embedded PostgreSQL."""
    try:
        from app.standalone import postgres  # noqa: F401 (only whether it can be imported)
    except ImportError as error:
        return _not_installed("PostgreSQL", error)
    return ok(
        "PostgreSQL",
        f"HOKUSAI_DATABASE_URL is not set: `serve` starts its own PostgreSQL in {directory.path}",
    )


def check_child_mlflow() -> CheckResult:
    """Whether `serve` can start MLflow. Its port is not checked: each start takes a free one."""
    try:
        from app.standalone.mlflow import require_mlflow

        version = require_mlflow()
    except ImportError as error:
        return _not_installed("MLflow", error)
    except StartupError as error:
        return problem("MLflow", str(error))
    return ok(
        "MLflow",
        f"HOKUSAI_MLFLOW_URL is not set: `serve` starts version {version} with workspaces",
    )


def _not_installed(subject: str, error: ImportError) -> CheckResult:
    return problem(
        subject,
        f"`serve` would start it, but the package {error.name} is not installed: install the "
        "extra `standalone` of hokusai-registry-gateway, or set both HOKUSAI_DATABASE_URL and "
        "HOKUSAI_MLFLOW_URL",
    )
