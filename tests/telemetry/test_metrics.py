"""Prometheus metrics: what they count, who can read them, and that callers create no series."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.core.errors import REASONS, StartupError
from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from app.telemetry.metrics import Metrics, serve_metrics
from tests.support.gateway import RunningGateway
from tests.support.metrics import Scrape
from tests.support.raw_http import request, send_raw
from tests.support.redis import free_port
from tests.support.serve_process import ServeProcess, run
from tests.support.two_workers import two_workers
from tests.support.waiting import wait_until


@pytest.fixture
def fresh(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A gateway that has counted no requests yet, with metrics on a separate port."""
    with RunningGateway(new_database(), mlflow_server.url, metrics_port=free_port()) as running:
        yield running


def exposition(port: int | None) -> str:
    response = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)
    assert response.headers["content-type"].startswith("text/plain; version=")
    return response.text


def counts(text: str) -> dict[tuple[str, str, str], float]:
    """Requests by method, route and status."""
    found = re.findall(r"^hokusai_request_seconds_count\{(.*)\} (\S+)$", text, re.MULTILINE)
    result = {}
    for labels, value in found:
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        result[label["method"], label["route"], label["status"]] = float(value)
    return result


def test_metrics_need_the_scope_admin(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        assert client.get("/metrics").status_code == 401
    with gateway.client(gateway.key()) as client:
        assert client.get("/metrics").status_code == 403
    with gateway.client(gateway.key(scopes=[Scope.ADMIN])) as client:
        response = client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=")
        assert "hokusai_request_seconds_bucket" in response.text


def test_requests_are_counted_by_route(fresh: RunningGateway) -> None:
    with fresh.client(fresh.key()) as client:
        client.get("/api/limits")
        client.get("/api/limits")
        client.delete("/api/keys/a")
        client.post("/api/mlflow/api/2.0/mlflow/experiments/search", json={"max_results": 1})
        client.put("/api/mlflow/api/2.0/mlflow-artifacts/artifacts/9/x", content=b"")
    with fresh.client() as client:
        client.get("/livez")
        client.get("/api/limits")
    fresh.settle()
    found = counts(exposition(fresh.settings.metrics_port))
    assert found["GET", "/api/limits", "200"] == 2
    assert found["GET", "unmatched", "401"] == 1
    assert found["DELETE", "/api/keys/{key_id}", "404"] == 1
    assert found["POST", "/api/2.0/mlflow/experiments/search", "200"] == 1
    assert found["GET", "/livez", "200"] == 1


def test_callers_cannot_create_series(fresh: RunningGateway) -> None:
    def ask_around(mark: str) -> None:
        with fresh.client(fresh.key()) as client:
            client.get(f"/{mark}")
            client.get(f"/api/{mark}?a={mark}")
            client.delete(f"/api/keys/{mark}")
            client.get("/api/keys", params={"cursor": mark})
            client.get(f"/api/mlflow/{mark}")
            client.get(f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{mark}")
            client.get(f"/api/mlflow/api/2.0/mlflow/runs/get?run_id={mark}")
            client.get("/livez", headers={"X-Request-ID": mark, "User-Agent": mark})
            client.request("TRACE", f"/{mark}")
            client.request("PURGE", f"/{mark}")
        send_raw(fresh, request(f"{mark.upper()} / HTTP/1.1"))
        fresh.settle()

    port = fresh.settings.metrics_port
    ask_around("one")
    series = counts(exposition(port)).keys()
    for mark in ("two", "three", "a" * 30):
        ask_around(mark)
    text = exposition(port)
    assert counts(text).keys() == series
    assert not re.search(r'="[^"]*(one|two|three|aaaa)', text)
    assert ("other", "unmatched", "405") in series


def test_the_metrics_port_serves_metrics_only(fresh: RunningGateway) -> None:
    port = fresh.settings.metrics_port
    assert port != fresh.port
    assert "hokusai_request_seconds" in exposition(port)
    response = httpx.get(f"http://127.0.0.1:{port}/api/admin/keys", trust_env=False)
    assert "key:" not in response.text


def test_a_metrics_port_in_use_is_reported_at_start(
    new_database: Callable[[], str],
    mlflow_server: ChildMLflow,
    fresh: RunningGateway,
    tmp_path: Path,
) -> None:
    process = run(
        "serve",
        data_dir=str(tmp_path),
        port="0",
        metrics_port=str(fresh.settings.metrics_port),
        database_url=new_database(),
        mlflow_url=mlflow_server.url,
    )
    assert process.returncode == 2, process.stderr
    assert "HOKUSAI_METRICS_PORT" in process.stderr
    assert "Traceback" not in process.stderr


def test_the_counters_of_workers_are_summed(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> None:
    with two_workers(new_database(), mlflow_server.url, tmp_path) as (serving, port):
        _check_sums(serving, port)


def _check_sums(serving: ServeProcess, port: int) -> None:
    serving.wait_for_status("/livez", 200)
    # A new connection each time, so that both workers accept some.
    for _ in range(40):
        httpx.get(f"{serving.url}/version", trust_env=False)
    wait_until(lambda: counts(exposition(port)).get(("GET", "/version", "200")) == 40)
    with httpx.Client(base_url=serving.url, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {serving.admin_key}"
        assert counts(client.get("/metrics").text)["GET", "/version", "200"] == 40
    assert serving.stop(signal.SIGTERM) == 0


def test_the_metrics_port_is_not_published_with_the_gateway(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    port = free_port()
    everywhere = "0.0.0.0"  # noqa: S104  # the address of the gateway, and not of the metrics
    with RunningGateway(new_database(), mlflow_server.url, host=everywhere, metrics_port=port):
        assert "hokusai_request_seconds" in exposition(port)
        # All of 127.0.0.0/8 is this machine: a port open on all addresses would be reachable here.
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.2:{port}/metrics", trust_env=False)


def test_the_metrics_port_has_its_own_address(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    port = free_port()
    own = {"metrics_host": "127.0.0.2", "metrics_port": port}
    with RunningGateway(new_database(), mlflow_server.url, **own):
        response = httpx.get(f"http://127.0.0.2:{port}/metrics", trust_env=False)
        assert "hokusai_request_seconds" in response.text
        with pytest.raises(httpx.ConnectError):
            exposition(port)


# --- one process, without a gateway ---


def exported(metrics: Metrics) -> Scrape:
    return Scrape(metrics.exposition().decode())


def test_requests_are_observed_by_method_route_and_status() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.observe("GET", "/livez", 200, 0.02)
    found = exported(metrics)
    labels = {"method": "GET", "route": "/livez", "status": "200"}
    assert found.value("hokusai_request_seconds_count", **labels) == 2
    assert found.value("hokusai_request_seconds_sum", **labels) == 0.04
    assert found.value("hokusai_request_seconds_bucket", le="0.025", **labels) == 2
    assert found.value("hokusai_request_seconds_bucket", le="0.01", **labels) == 0


def test_events_are_counted_by_their_labels() -> None:
    metrics = Metrics()
    metrics.count_error("not_found")
    metrics.count_authentication_failure("key_invalid")
    metrics.count_upstream_error("upstream_failed")
    metrics.count_registration("baseline", "registered")
    metrics.set_readiness({"upstream": True, "migrations": False})
    found = exported(metrics)
    assert found.value("hokusai_errors_total", reason="not_found") == 1
    assert found.value("hokusai_authentication_failures_total", reason="key_invalid") == 1
    assert found.value("hokusai_upstream_errors_total", reason="upstream_failed") == 1
    kind = {"kind": "baseline", "outcome": "registered"}
    assert found.value("hokusai_registrations_total", **kind) == 1
    assert found.value("hokusai_ready", check="upstream") == 1
    assert found.value("hokusai_ready", check="migrations") == 0


def test_every_reason_of_an_error_has_a_series_from_the_start() -> None:
    samples = exported(Metrics()).samples
    for reason in REASONS:
        assert samples["hokusai_errors_total", (("reason", reason),)] == 0


def test_metrics_are_refreshed_before_each_exposition() -> None:
    metrics = Metrics()
    refreshed: list[None] = []
    metrics.refresh = lambda: refreshed.append(None)
    exported(metrics)
    exported(metrics)
    assert len(refreshed) == 2


def test_a_registry_is_served_until_the_block_ends() -> None:
    port = free_port()
    with serve_metrics("127.0.0.1", port, Metrics().registry):
        assert "hokusai_errors_total" in exposition(port)
    with pytest.raises(httpx.ConnectError):
        exposition(port)


def test_without_a_port_nothing_is_served() -> None:
    with serve_metrics("127.0.0.1", None):
        pass


def test_a_port_that_cannot_be_opened_is_a_startup_error() -> None:
    port = free_port()
    registry = Metrics().registry
    with (
        serve_metrics("127.0.0.1", port, registry),
        pytest.raises(StartupError, match="HOKUSAI_METRICS_PORT to a free port"),
        serve_metrics("127.0.0.1", port, registry),
    ):
        pass
