"""What the gateway needs of the machine it runs on: addresses, the data directory, packages."""

import os
from collections.abc import Iterator
from typing import Any

import httpx

from app.cli.doctor.result import Finding, ok, problem
from app.control_plane.health import NAME, PROBE_SECONDS
from app.core.errors import StartupError
from app.core.settings import Settings
from app.server.listener import open_socket
from app.standalone.data_directory import DataDirectory

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (this asks it, it does not bind)


def check_ports(settings: Settings) -> Iterator[Finding]:
    """Whether the addresses can be had; each is held for a moment, and nothing listens on it.

    A gateway that serves there already is as good, as far as it is ready.
    """
    host, port = settings.host, settings.port
    serving: Finding | None = None
    try:
        open_socket(host, port).close()
    except StartupError as error:
        serving = _neighbour(host, port)
        yield serving or problem("port", str(error))
    else:
        yield ok("port", f"{port} of {host} is free" if port else f"any free one of {host}")
    if settings.metrics_port is None:
        return
    host, port = settings.metrics_host, settings.metrics_port
    try:
        open_socket(host, port).close()
    except StartupError as error:
        if serving is not None:
            yield ok("metrics port", f"{port} of {host} is in use, as the gateway's own is")
            return
        for name in ("HOST", "PORT"):
            error = StartupError(str(error).replace(f"HOKUSAI_{name}", f"HOKUSAI_METRICS_{name}"))
        yield problem("metrics port", str(error))
    else:
        yield ok("metrics port", f"{port} of {host} is free")


def _neighbour(host: str, port: int) -> Finding | None:
    """What the gateway that uses the address says of itself; None where it is none."""
    name = WILDCARDS.get(host, host)
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    try:
        # Readiness takes up to PROBE_SECONDS by itself.
        with httpx.Client(base_url=url, trust_env=False, timeout=2 * PROBE_SECONDS) as client:
            version = _object(client.get("/version"))
            if version.get("name") != NAME:
                return None
            ready = _object(client.get("/readyz"))
    except (httpx.HTTPError, ValueError):
        return None
    text = f"a gateway, version {version.get('version')}, serves at {url}"
    if ready.get("ready") is True:
        return ok("port", f"{text}, and is ready")
    checks = ready.get("checks", {})
    missing = "; ".join(
        f"{name}: {check.get('detail')}"
        for name, check in (checks.items() if isinstance(checks, dict) else ())
        if isinstance(check, dict) and not check.get("ready")
    )
    return problem("port", f"{text}, and is not ready: {missing}")


def _object(answer: httpx.Response) -> dict[str, Any]:
    document = answer.json()
    return document if isinstance(document, dict) else {}


def check_directory(directory: DataDirectory) -> Finding:
    """Whether `serve` could write to its data directory; nothing is written to find out."""
    path = directory.path
    # What may not be seen is not there, to this user; Path.exists would raise.
    nearest = next(one for one in (path, *path.parents) if os.access(one, os.F_OK))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        return problem(
            "data", f"cannot write to {nearest}: set HOKUSAI_DATA_DIR to a directory that you own"
        )
    return ok("data", f"{path}" if nearest == path else f"{path}, made by `serve`")


def check_postgres_here(directory: DataDirectory) -> Finding:
    """The PostgreSQL that `serve` starts."""
    own = "HOKUSAI_DATABASE_URL is not set: `serve` starts a PostgreSQL of its own"
    try:
        from app.standalone import postgres  # noqa: F401 (whether it can be imported)
    except ImportError as error:
        return _not_installed("PostgreSQL", error)
    return ok("PostgreSQL", f"{own} in {directory.path}")


def check_mlflow_here() -> Finding:
    """The MLflow that `serve` starts. Its port is another one at each start."""
    try:
        from app.standalone.mlflow import require_mlflow

        version = require_mlflow()
    except ImportError as error:
        return _not_installed("MLflow", error)
    except StartupError as error:
        return problem("MLflow", str(error))
    return ok("MLflow", f"HOKUSAI_MLFLOW_URL is not set: `serve` starts {version}, with workspaces")


def _not_installed(subject: str, error: ImportError) -> Finding:
    return problem(
        subject,
        f"`serve` would start one, but the package {error.name} is not installed: install the "
        "extra `standalone` of hokusai-registry-gateway, or set both HOKUSAI_DATABASE_URL and "
        "HOKUSAI_MLFLOW_URL",
    )
