"""Real MLflow servers: alone, behind the gateway, and with two other authentication solutions.

These two, the peers, have their own environments in .venv/peers, which `make peers` creates from
the lock files in benchmarks/peers. All run MLflow 3.17.2 with one worker, on one PostgreSQL.
"""

import base64
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.launcher import ROOT, Launcher, MissingError, Target, clean_environment, free_port
from benchmarks.stack import start_gateway

PEERS = ROOT / ".venv" / "peers"
PASSWORD = "a password of the benchmark"  # noqa: S105 (valid only during the run)
USER = "admin"
UVICORN = "--timeout-keep-alive 75 --timeout-worker-healthcheck 120 --loop uvloop --no-access-log"
# Creates what a login in a browser would create: a user of mlflow-oidc-auth, and a token.
NEW_USER = """
import datetime
from mlflow_oidc_auth.store import store
store.create_user("admin", "admin", is_admin=True)
ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)
print(store.create_user_token("admin", "benchmark", ends, "admin")[1])
"""


@dataclass(frozen=True)
class Servers:
    """direct: the MLflow behind the gateway; peers: each with an MLflow of its own."""

    direct: Target
    gateway: Target
    peers: list[Target]

    @property
    def all(self) -> list[Target]:
        return [self.direct, self.gateway, *self.peers]


def require_peers() -> None:
    """Raises MissingError unless `make peers` was run."""
    for name in ("basic-auth", "oidc-auth"):
        if not (PEERS / name / "bin" / "mlflow").exists():
            raise MissingError(f"the peer {name} is not installed: run `make peers`")


def start_servers(launcher: Launcher) -> Servers:
    """Start all servers. Raises MissingError or RuntimeError."""
    require_peers()
    python = Path(sys.executable)
    direct = start_mlflow(launcher, "direct", python, "--enable-workspaces")
    return Servers(
        direct,
        start_gateway(launcher, direct.base, "real"),
        [_basic_auth(launcher), _oidc_auth(launcher)],
    )


def _basic_auth(launcher: Launcher) -> Target:
    """MLflow's own basic-auth app in its default configuration, with users in SQLite."""
    return start_mlflow(
        launcher,
        "basic-auth",
        PEERS / "basic-auth" / "bin" / "python",
        *("--app-name", "basic-auth"),
        authorization=_basic(USER, PASSWORD),
        environment={
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": PASSWORD,
        },
    )


def _oidc_auth(launcher: Launcher) -> Target:
    """mlflow-oidc-auth, called with an access token like that of its users' MLflow clients."""
    python = PEERS / "oidc-auth" / "bin" / "python"
    environment = {
        "SECRET_KEY": PASSWORD,
        "OIDC_USERS_DB_URI": launcher.database("oidc_users").replace(
            "postgresql://", "postgresql+psycopg2://"
        ),
        # Never requested, because a token is checked against the database.
        "OIDC_DISCOVERY_URL": "http://127.0.0.1:9/.well-known/openid-configuration",
        "OIDC_CLIENT_ID": "benchmark",
        "OIDC_CLIENT_SECRET": PASSWORD,
    }
    created = subprocess.run(
        [python, "-c", NEW_USER],
        env={**clean_environment(), **environment},
        cwd=launcher.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    if created.returncode:
        raise RuntimeError(f"could not create a token of oidc-auth:\n{created.stderr[-2000:]}")
    token = created.stdout.split()[-1]
    return start_mlflow(
        launcher,
        "oidc-auth",
        python,
        *("--app-name", "oidc-auth"),
        authorization=_basic(USER, token),
        environment=environment,
    )


def start_mlflow(
    launcher: Launcher,
    name: str,
    python: Path,
    *options: str,
    authorization: str = "",
    environment: dict[str, str] | None = None,
) -> Target:
    """Start an MLflow of this Python. options: of its command. Raises RuntimeError."""
    port = free_port()
    directory = launcher.directory / f"mlflow-{name}"
    directory.mkdir()
    store = launcher.database(f"mlflow_{name.replace('-', '_')}")
    command = [
        *(str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--serve-artifacts", "--uvicorn-opts", UVICORN),
        *("--artifacts-destination", str(directory / "artifacts"), *options),
    ]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store.replace("postgresql://", "postgresql+psycopg2://"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "PYTHONSAFEPATH": "1",
        **(environment or {}),
    }
    base = f"http://127.0.0.1:{port}"
    pid = launcher.start(
        f"mlflow-{name}", command, f"{base}/health", environment=settings, directory=directory
    )
    return Target(name, base, pid, authorization)


def new_run(target: Target) -> str:
    """Create a run with some metrics and parameters for `runs/get`; return its id."""
    headers = {"Authorization": target.authorization} if target.authorization else {}
    with httpx.Client(headers=headers, trust_env=False, timeout=60) as client:

        def post(route: str, **body: object) -> httpx.Response:
            response = client.post(f"{target.base}/api/2.0/mlflow/{route}", json=body)
            return response.raise_for_status()

        experiment = post("experiments/create", name="runs").json()["experiment_id"]
        run = post("runs/create", experiment_id=experiment).json()["run"]["info"]["run_id"]
        metrics = [
            {"key": f"metric-{number}", "value": number / 10, "timestamp": 1, "step": 0}
            for number in range(5)
        ]
        params = [{"key": f"param-{number}", "value": str(number)} for number in range(5)]
        post("runs/log-batch", run_id=run, metrics=metrics, params=params)
    return str(run)


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
