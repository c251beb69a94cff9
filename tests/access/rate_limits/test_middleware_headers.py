"""Every response has the RateLimit-* headers; and MLflow's client waits for Retry-After."""

import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.access.identity.key_format import new_key
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support import programs
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.redis import free_port
from tests.support.responses import good

MLFLOW = "/api/mlflow/api/2.0/mlflow"
WINDOW = 3600


@pytest.fixture(scope="module")
def limited(database: str, mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    with RunningGateway(database, mlflow_server.url, rate_limit=50, rate_window=WINDOW) as running:
        yield running


def assert_has_headers(answer: httpx.Response, status: int) -> None:
    """The response has this status, and each of the three headers once."""
    assert answer.status_code == status, answer.text
    found = {}
    for name in ("limit", "remaining", "reset"):
        values = answer.headers.get_list(f"ratelimit-{name}")
        assert len(values) == 1, answer.headers
        found[name] = int(values[0])
    assert 0 <= found["remaining"] < found["limit"]
    assert 0 < found["reset"] <= WINDOW


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/auth/whoami", 200),
        ("GET", "/api/limits", 200),
        ("GET", f"{MLFLOW}/help", 200),
        ("GET", f"{MLFLOW}/experiments/get?experiment_id=0", 200),
        ("GET", f"{MLFLOW}/runs/get?run_id=none", 404),
        ("GET", f"{MLFLOW}/nowhere", 404),
        ("GET", "/api/nowhere", 404),
        ("DELETE", "/api/limits", 405),
        ("POST", "/api/keys", 422),
        ("GET", "/api/admin/keys", 403),
        ("GET", "/api/mlflow/../../etc/passwd", 400),
    ],
)
def test_responses_to_a_principal_have_the_headers(
    limited: RunningGateway, method: str, path: str, status: int
) -> None:
    with limited.client(limited.key()) as client:
        # Sets the target as it is: httpx would normalise the path.
        request = client.build_request(method, "/", content=b"{}" if method == "POST" else None)
        target = path.encode()
        request.extensions["target"] = target
        request.headers["Content-Type"] = "application/json"
        assert_has_headers(client.send(request), status)


def test_a_403_has_the_headers(limited: RunningGateway) -> None:
    with limited.client(limited.key(scopes=[Scope.READ])) as client:
        answer = client.post(f"{MLFLOW}/experiments/create", json={"name": "not mine to make"})
    assert_has_headers(answer, 403)


def test_a_429_has_the_headers(limited: RunningGateway) -> None:
    with limited.client(limited.key(rate_limit=1)) as client:
        assert_has_headers(client.get(f"{MLFLOW}/experiments/get?experiment_id=0"), 200)
        answer = client.get(f"{MLFLOW}/experiments/get?experiment_id=0")
    assert_has_headers(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": f"Bearer {new_key()}"}, 401),
        ({"Authorization": f"Bearer {new_key()}", "X-API-Key": new_key()}, 400),
        ({"X-ETH-Address": "0x0"}, 401),
    ],
)
def test_responses_to_invalid_credentials_have_the_headers(
    limited: RunningGateway, headers: dict[str, str], status: int
) -> None:
    with limited.client(**headers) as client:
        assert_has_headers(client.get("/api/auth/whoami"), status)
        assert_has_headers(client.get(f"{MLFLOW}/runs/get"), status)


def test_an_address_that_is_not_allowed_gets_the_headers(limited: RunningGateway) -> None:
    with limited.client(limited.key(allowed_networks=["198.51.100.0/24"])) as client:
        assert_has_headers(client.get("/api/auth/whoami"), 403)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/api/auth/nonce"])
def test_public_responses_have_the_headers(limited: RunningGateway, path: str) -> None:
    with limited.client() as client:
        assert_has_headers(client.get(path), 200)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version"])
def test_health_checks_have_no_headers(limited: RunningGateway, path: str) -> None:
    with limited.client() as client:
        answer = client.get(path)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_errors_of_the_database_and_mlflow_have_the_headers(limited: RunningGateway) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with (
        RunningGateway(f"postgresql://{nowhere}/none", f"http://{nowhere}") as broken,
        broken.client(new_key()) as client,
    ):
        assert_has_headers(client.get("/api/auth/whoami"), 503)
    url = limited.settings.database_url
    assert url is not None
    with (
        RunningGateway(url.get_secret_value(), f"http://{nowhere}") as lonely,
        lonely.client(lonely.key()) as client,
    ):
        assert_has_headers(client.get(f"{MLFLOW}/experiments/get?experiment_id=0"), 502)


LOGGING = """
import mlflow
with mlflow.start_run() as run:
    for step in range(60):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
print("logged", sorted(point.step for point in history) == list(range(60)))
"""


def seconds_for_25_metrics(gateway: RunningGateway) -> float:
    """How long this machine takes to log 25 metrics now, without a limit."""
    with gateway.client(gateway.key(rate_limit=1000)) as client:
        body = {"experiment_id": "0", "start_time": 0}
        run = good(client.post(f"{MLFLOW}/runs/create", json=body))["run"]["info"]["run_id"]
        metric = {"run_id": run, "key": "loss", "value": 1, "timestamp": 0}
        began = time.monotonic()
        for step in range(25):
            good(client.post(f"{MLFLOW}/runs/log-metric", json=metric | {"step": step}))
        return time.monotonic() - began


def test_the_mlflow_client_waits_for_retry_after(
    limited: RunningGateway, database: str, mlflow_server: ChildMLflow
) -> None:
    # A short window, but long enough for 25 requests on a machine that becomes much slower.
    window = math.ceil(3 + 6 * seconds_for_25_metrics(limited))
    with RunningGateway(database, mlflow_server.url, rate_limit=25, rate_window=window) as running:
        environment = {
            **os.environ,
            "MLFLOW_TRACKING_URI": running.mlflow,
            "MLFLOW_TRACKING_TOKEN": running.key(),
            "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        }
        command = [sys.executable, "-c", LOGGING]
        done = programs.finish(command, Path.cwd(), environment, timeout=280)
        with running.client(running.key(scopes=ALL_SCOPES)) as admin:
            metrics = admin.get("/metrics").text
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "logged True"
    assert 'status="429"' in metrics
