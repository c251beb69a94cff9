"""The servers in front of the stub of MLflow: the gateway, nginx, and the textbook gateway."""

import getpass
import grp
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

import httpx

from benchmarks.launcher import Launcher, Target, free_port, program, python

HERE = Path(__file__).parent
PREFIX = "/api/mlflow"
TENANT = "benchmark"
RUN = "/api/2.0/mlflow/runs/get?run_id=5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d"
# A limit that no benchmark reaches; counting costs the same.
UNLIMITED = 1_000_000_000
COMMAND = python("-c", "from app.cli.main import main; main()", "serve")


@dataclass(frozen=True)
class Stack:
    """All servers. direct: the stub without a proxy; tuned: nginx tuned for large bodies.

    directory: for files of the benchmark.
    """

    direct: Target
    nginx: Target
    tuned: Target
    gateway: Target
    textbook: Target
    directory: Path


def start_stack(launcher: Launcher) -> Stack:
    """Start all servers. Raises MissingError or RuntimeError."""
    backend = start_backend(launcher)
    gateway, nginx, tuned, textbook = start_proxies(launcher, backend)
    return Stack(backend, nginx, tuned, gateway, textbook, launcher.directory)


def start_proxies(launcher: Launcher, backend: Target, group: str = "stack") -> list[Target]:
    """The gateway, nginx, tuned nginx and the textbook gateway in front of one backend.

    group: a name that keeps their files apart from those of other groups.
    """
    gateway = start_gateway(launcher, backend.base, group)
    return [
        gateway,
        _nginx(launcher, "nginx", backend, gateway.authorization, group),
        _nginx(launcher, "tuned", backend, gateway.authorization, group),
        _textbook(launcher, backend, gateway.authorization, group),
    ]


def start_backend(launcher: Launcher, name: str = "direct") -> Target:
    """Start the stub of MLflow."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    pid = launcher.start(name, python("-m", "benchmarks.backend", str(port)), base + RUN)
    return Target(name, base, pid, "")


def gateway_settings(launcher: Launcher, mlflow: str, group: str) -> dict[str, str]:
    """The settings of a gateway in production, with an external database and MLflow."""
    return {
        "HOKUSAI_PORT": str(free_port()),
        "HOKUSAI_DATA_DIR": str(launcher.directory / f"{group}-gateway"),
        "HOKUSAI_DATABASE_URL": launcher.database(f"gateway_{group}"),
        "HOKUSAI_MLFLOW_URL": mlflow,
        "HOKUSAI_RATE_LIMIT": str(UNLIMITED),
        "HOKUSAI_WALLET_ADDRESS_LIMIT": str(UNLIMITED),
    }


def start_gateway(launcher: Launcher, mlflow: str, group: str, **more: str) -> Target:
    """Start a gateway in front of an MLflow, and create a key to read and write.

    more: further settings.
    """
    settings = {**gateway_settings(launcher, mlflow, group), **more}
    url = f"http://127.0.0.1:{settings['HOKUSAI_PORT']}"
    pid = launcher.start(f"{group}-gateway", COMMAND, f"{url}/livez", environment=settings)
    return Target("gateway", url + PREFIX, pid, f"Bearer {new_key(url, settings)}")


def new_key(url: str, settings: Mapping[str, str]) -> str:
    """Create an API key of the tenant `benchmark` with the first admin key."""
    admin = (Path(settings["HOKUSAI_DATA_DIR"]) / "admin.key").read_text().strip()
    response = httpx.post(
        f"{url}/api/admin/keys",
        json={"name": "benchmark", "tenant": TENANT, "scopes": ["read", "write", "attest"]},
        headers={"X-API-Key": admin},
        trust_env=False,
    )
    key: str = response.raise_for_status().json()["key"]
    return key


def _nginx(
    launcher: Launcher, name: str, backend: Target, authorization: str, group: str
) -> Target:
    """nginx as a plain proxy with default buffers, or with settings for large bodies (`tuned`)."""
    port = free_port()
    directory = launcher.directory / f"{group}-{name}"
    directory.mkdir()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        Template((HERE / "nginx.conf").read_text()).substitute(
            directory=directory,
            user=getpass.getuser(),
            group=grp.getgrgid(os.getgid()).gr_name,
            port=port,
            backend_port=backend.base.rpartition(":")[2],
            bodies=(HERE / "nginx-tuned.conf").read_text() if name == "tuned" else "",
        )
    )
    base = f"http://127.0.0.1:{port}{PREFIX}"
    command = [program("nginx"), "-p", str(directory), "-c", str(configuration)]
    pid = launcher.start(f"{group}-{name}", command, base + RUN)
    return Target(name, base, pid, authorization)


def _textbook(launcher: Launcher, backend: Target, authorization: str, group: str) -> Target:
    port = free_port()
    base = f"http://127.0.0.1:{port}{PREFIX}"
    command = python("-m", "uvicorn", "benchmarks.textbook:app", "--port", str(port))
    pid = launcher.start(
        f"{group}-textbook",
        [*command, "--no-access-log"],
        base + RUN,
        authorization=authorization,
        environment={"UPSTREAM": backend.base, "API_KEY": authorization.removeprefix("Bearer ")},
    )
    return Target("textbook", base, pid, authorization)
