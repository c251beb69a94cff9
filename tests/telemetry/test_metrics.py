"""Prometheus metrics: what they count, who can read them, and that callers cannot add series."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.core.request.principal import Scope
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.raw_http import request, send_raw
from tests.support.redis import free_port
from tests.support.serve_process import ServeProcess, run
from tests.support.waiting import wait_until


@pytest.fixture
def fresh(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A new gateway, with metrics on a separate port."""
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
    found = counts(exposition(fresh.settings.metrics_port))
    assert found["GET", "/api/limits", "200"] == 2
    assert found["GET", "unmatched", "401"] == 1
    assert found["DELETE", "/api/keys/{key_id}", "404"] == 1
    assert found["POST", "/api/2.0/mlflow/experiments/search", "200"] == 1
    assert found["GET", "/livez", "200"] == 1


def test_no_caller_can_create_a_series(fresh: RunningGateway) -> None:
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


def test_request_counts_are_summed_over_workers(two_workers: tuple[ServeProcess, int]) -> None:
    serving, port = two_workers
    serving.wait_for_status("/livez", 200)
    # Each request on a new connection, so that both workers get some.
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
    everywhere = "0.0.0.0"  # noqa: S104 (what is tested is that the metrics stay behind)
    with RunningGateway(new_database(), mlflow_server.url, host=everywhere, metrics_port=port):
        assert "hokusai_request_seconds" in exposition(port)
        # All of 127.0.0.0/8 is this machine: a port bound to all addresses would respond here.
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.2:{port}/metrics", trust_env=False)


def test_the_metrics_port_has_an_address_of_its_own(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    port = free_port()
    own = {"metrics_host": "127.0.0.2", "metrics_port": port}
    with RunningGateway(new_database(), mlflow_server.url, **own):
        response = httpx.get(f"http://127.0.0.2:{port}/metrics", trust_env=False)
        assert "hokusai_request_seconds" in response.text
        with pytest.raises(httpx.ConnectError):
            exposition(port)
