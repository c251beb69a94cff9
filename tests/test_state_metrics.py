"""Metrics about the state of the gateway's parts; each state is really produced."""

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client import generate_latest

from app import state_metrics
from app.standalone.mlflow import ChildMLflow
from app.telemetry.multiprocess import DIRECTORY_VARIABLE, combined_registry
from tests.support.gateway import RunningGateway
from tests.support.metrics import Scrape
from tests.support.redis import free_port
from tests.support.serve_process import ServeProcess
from tests.support.sql import sql
from tests.support.stalling_proxy import StallingProxy
from tests.support.training import Training
from tests.support.two_workers import two_workers
from tests.support.waiting import wait_until
from tests.support.wallet import Wallet

SEARCH = "/api/mlflow/api/2.0/mlflow/experiments/search"


@pytest.fixture
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the interval at which the gateway checks its dependencies."""
    monkeypatch.setattr(state_metrics, "INTERVAL", 0.1)


@pytest.fixture
def fresh(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[RunningGateway]:
    """A new gateway."""
    with RunningGateway(new_database(), mlflow_server.url, metrics_port=free_port()) as running:
        yield running


@pytest.fixture
def one_connection(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[tuple[RunningGateway, StallingProxy]]:
    """A gateway with one connection to MLflow, on which a test can hold requests."""
    with (
        StallingProxy(mlflow_server.url) as proxy,
        RunningGateway(
            new_database(), proxy.url, metrics_port=free_port(), upstream_connections=1
        ) as running,
    ):
        yield running, proxy


def scrape(gateway: RunningGateway) -> Scrape:
    return Scrape.of(gateway.settings.metrics_port)


def settled(gateway: RunningGateway) -> Scrape:
    """A scrape once all requests are counted."""
    gateway.settle()
    return scrape(gateway)


def test_requests_and_connections_in_progress_are_reported(
    one_connection: tuple[RunningGateway, StallingProxy],
) -> None:
    gateway, proxy = one_connection
    with gateway.client(gateway.key()) as client:
        assert client.get(SEARCH, params={"max_results": 1}).status_code == 200
        found = settled(gateway)
        assert found.value("hokusai_client_connections") == 1
        assert found.value("hokusai_requests_in_flight") == 0
        assert found.value("hokusai_upstream_connections_max") == 1
        assert found.value("hokusai_database_connections_max") == 10
        assert found.value("hokusai_database_connections", state="in_use") == 0

        proxy.stall("before", "experiments/search")
        threads = [
            threading.Thread(
                target=httpx.get,
                args=(gateway.url + SEARCH,),
                kwargs={"params": {"max_results": 1}, "headers": client.headers, "timeout": 60},
            )
            for _ in range(2)
        ]
        for one in threads:
            one.start()
        assert proxy.held.wait(60)
        wait_until(lambda: scrape(gateway).value("hokusai_upstream_waiting") == 1)
        found = scrape(gateway)
        assert found.value("hokusai_upstream_connections", state="in_use") == 1
        assert found.value("hokusai_requests_in_flight") == 2
        assert found.value("hokusai_client_connections") == 3
        proxy.release()
        for one in threads:
            one.join()
        wait_until(lambda: scrape(gateway).value("hokusai_requests_in_flight") == 0)
        assert scrape(gateway).value("hokusai_upstream_waiting") == 0


def test_bodies_are_counted_in_bytes(fresh: RunningGateway) -> None:
    content = secrets.token_bytes(300_000)
    small = b"x" * 1000
    with Training.of(fresh) as training:
        root = training.mlflow("runs/create", experiment_id="0")["run"]["info"]["artifact_uri"]
        path = root.removeprefix("mlflow-artifacts:/")
        url = f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{path}"
        for name, body in (("large", content), ("small", small)):
            before = settled(fresh)
            assert training.client.put(f"{url}/{name}", content=body).status_code == 200
            middle = settled(fresh)
            assert training.client.get(f"{url}/{name}").content == body
            after = settled(fresh)
            name_of = "hokusai_body_bytes_total"
            taken = middle.value(name_of, direction="in") - before.value(name_of, direction="in")
            assert taken == len(body)
            given = after.value(name_of, direction="out") - middle.value(name_of, direction="out")
            assert given == len(body)


def test_upstream_errors_are_counted_by_reason(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with (
        StallingProxy(mlflow_server.url) as proxy,
        RunningGateway(
            new_database(), proxy.url, metrics_port=free_port(), upstream_read_timeout=0.5
        ) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        # On a busy machine, also MLflow itself may take longer than the timeout.
        wait_until(lambda: client.get(SEARCH, params={"max_results": 1}).status_code == 200)
        before = settled(gateway)
        assert before.value("hokusai_upstream_errors_total", reason="x") == 0
        proxy.stall("before", "experiments/search")
        assert client.get(SEARCH, params={"max_results": 1}).status_code == 504
        proxy.release()
        found = settled(gateway)
        timeout = {"reason": "upstream_timeout"}
        for name in ("hokusai_upstream_errors_total", "hokusai_errors_total"):
            assert found.value(name, **timeout) == before.value(name, **timeout) + 1

    dead = f"http://127.0.0.1:{free_port()}"
    with (
        RunningGateway(new_database(), dead, metrics_port=free_port()) as gateway,
        gateway.client(gateway.key()) as client,
    ):
        # The failed request is the gateway's own, which creates the tenant's workspace.
        assert client.get(SEARCH, params={"max_results": 1}).status_code == 502
        found = settled(gateway)
        away = {"reason": "upstream_unreachable"}
        assert found.value("hokusai_upstream_errors_total", **away) == 1
        assert found.value("hokusai_errors_total", **away) == 1


def test_failed_authentications_are_counted_by_reason(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with RunningGateway(
        new_database(), mlflow_server.url, metrics_port=free_port(), failure_limit=4
    ) as gateway:
        wallet = Wallet()
        with gateway.client() as client:
            client.get("/api/limits")
            client.get("/api/limits", headers={"X-API-Key": "hk_live_wrong"})
            client.get("/api/limits", headers={"X-API-Key": gateway.key()[:-1] + "!"})
            client.get("/api/limits", headers=wallet.headers(-3600))
            # One failure too many: it is refused, and still counted by its own reason.
            last = client.get("/api/limits", headers=wallet.headers() | {"X-ETH-Signature": "00"})
            assert last.json()["reason"] == "too_many_failures"
            # Wallets sign in at a public endpoint.
            client.post("/api/auth/token", json={"message": "m", "signature": "0x" + "0" * 130})
        found = settled(gateway)
        name = "hokusai_authentication_failures_total"
        reasons = {
            dict(labels)["reason"]: value
            for (sample, labels), value in found.samples.items()
            if sample == name
        }
        assert reasons == {
            "credentials_missing": 1,
            "key_invalid": 2,
            "signature_stale": 1,
            "signature_invalid": 2,
        }
        assert found.value("hokusai_limited_total", limit="failures") == 1
        assert found.value("hokusai_errors_total", reason="too_many_failures") == 1


def test_refusals_are_counted_by_limit(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    limits = {"rate_limit": 2, "anonymous_limit": 1, "new_wallet_limit": 1}
    with RunningGateway(
        new_database(), mlflow_server.url, metrics_port=free_port(), **limits
    ) as gateway:
        with gateway.client(gateway.key()) as client:
            assert [client.get("/api/limits").status_code for _ in range(3)] == [200, 200, 429]
        with gateway.client() as client:
            assert [client.get("/docs").status_code for _ in range(3)] == [200, 429, 429]
            for status in (200, 429):
                headers = Wallet().headers()
                assert client.get(
                    SEARCH, params={"max_results": 1}, headers=headers
                ).status_code == (status)
        found = settled(gateway)
        counts = {
            limit: found.value("hokusai_limited_total", limit=limit)
            for limit in ("principal", "anonymous", "failures", "wallets")
        }
        assert counts == {"principal": 1, "anonymous": 2, "failures": 0, "wallets": 1}


def test_registrations_are_counted_by_outcome(fresh: RunningGateway) -> None:
    with Training.of(fresh) as training:
        run_id = training.run(accuracy=0.5)
        body = {"run_id": run_id, "model_type": "classification"}
        assert training.register("baseline", **body).status_code == 201
        assert training.register("baseline", **body).headers["idempotent-replayed"] == "true"
        missing = {"run_id": "0" * 32, "model_type": "classification"}
        assert training.register("baseline", **missing).status_code == 404
    found = settled(fresh)
    name = "hokusai_registrations_total"
    counts = {
        (dict(labels)["kind"], dict(labels)["outcome"]): value
        for (sample, labels), value in found.samples.items()
        if sample == name
    }
    assert counts == {
        ("baseline", "registered"): 1,
        ("baseline", "replayed"): 1,
        ("baseline", "refused"): 1,
    }


@pytest.mark.usefixtures("frequent_checks")
def test_the_state_of_database_and_mlflow_is_reported(fresh: RunningGateway) -> None:
    def value(name: str, **labels: str) -> float:
        return scrape(fresh).value(name, **labels)

    wait_until(lambda: value("hokusai_ready", check="upstream") == 1)
    assert value("hokusai_ready", check="migrations") == 1
    wait_until(lambda: "hokusai_upstream_info{" in scrape(fresh).text)
    with fresh.client() as client:
        version = client.get("/version").json()["version"]
    assert value("hokusai_build_info", version=version) == 1
    assert value("process_resident_memory_bytes") > 1_000_000
    assert value("process_cpu_seconds_total") > 0

    with Training.of(fresh) as training:
        model = training.baseline(accuracy=0.5)
        response = training.client.post("/api/attestations", json={"model_id": model["model_id"]})
        assert response.status_code == 201, response.text
    wait_until(lambda: value("hokusai_attestation_log_entries") == 1)
    # This gateway reads none.
    wait_until(lambda: value("hokusai_model_files_waiting") == 1)

    # A plan that no reconciler can read remains in the backlog.
    sql(
        fresh,
        "insert into registrations (operation, principal, key, tenant, plan, in_doubt, settle_at,"
        " created_at) values ('o', 'p', 'k', 't', '{}', true, now(), now() - interval '1 hour')",
    )
    wait_until(lambda: value("hokusai_reconciler_backlog") == 1)
    wait_until(lambda: value("hokusai_reconciler_oldest_seconds") >= 3600)
    sql(fresh, "delete from registrations")
    wait_until(lambda: value("hokusai_reconciler_backlog") == 0)
    wait_until(lambda: value("hokusai_reconciler_oldest_seconds") == 0)


@pytest.mark.usefixtures("frequent_checks")
def test_an_unreachable_dependency_is_reported(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    with ExitStack() as longer:
        with StallingProxy(mlflow_server.url) as proxy:
            gateway = RunningGateway(new_database(), proxy.url, metrics_port=free_port())
            longer.enter_context(gateway)
            wait_until(lambda: scrape(gateway).value("hokusai_ready", check="upstream") == 1)
        wait_until(lambda: scrape(gateway).value("hokusai_ready", check="upstream") == 0)
        assert scrape(gateway).value("hokusai_ready", check="migrations") == 1


def test_callers_create_a_bounded_number_of_series(fresh: RunningGateway) -> None:
    def everything(mark: str) -> None:
        key = fresh.key(f"t-{mark}")
        with fresh.client(key) as client:
            for path in (mark, f"api/{mark}", f"api/mlflow/{mark}", f"api/keys/{mark}"):
                client.get(f"/{path}?{mark}={mark}")
                client.delete(f"/{path}")
            client.get(f"/api/mlflow/api/2.0/mlflow/runs/get?run_id={mark}")
            client.put(f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/9/{mark}", content=b"x")
            client.post("/api/models/baseline", json={"run_id": mark, "model_type": mark})
            client.post("/api/models/improved", json={"run_id": mark, mark: mark})
            client.post(f"/api/models/{mark}", json={})
            client.get("/livez", headers={"X-Request-ID": mark, "User-Agent": mark})
            client.request(mark.upper(), "/")
        wallet = Wallet()
        with fresh.client() as client:
            client.get("/api/limits", headers={"X-API-Key": mark})
            client.get("/api/limits", headers=wallet.headers())
            client.get("/api/limits", headers=wallet.headers() | {"X-ETH-Address": mark})
            client.get("/api/limits", headers={"X-Forwarded-For": f"10.0.0.{len(mark)}"})
            client.post("/api/auth/token", json={"message": mark, "signature": mark})

    everything("caller1")
    series = settled(fresh).samples.keys()
    marks = ["caller2", "caller3", *(secrets.token_hex(8) for _ in range(5))]
    for mark in marks:
        everything(mark)
    found = settled(fresh)
    assert found.samples.keys() == series
    assert len(series) < 1000
    for mark in ["caller1", *marks]:
        assert mark not in found.text


def test_state_metrics_are_summed_over_workers(
    new_database: Callable[[], str], mlflow_server: ChildMLflow, tmp_path: Path
) -> None:
    with two_workers(new_database(), mlflow_server.url, tmp_path) as (serving, port):
        _check_sums(serving, port)


def _check_sums(serving: ServeProcess, port: int) -> None:
    serving.wait_for_status("/readyz", 200)
    wait_until(lambda: Scrape.of(port).value("hokusai_upstream_connections_max") == 14)
    wait_until(lambda: Scrape.of(port).value("hokusai_ready", check="upstream") == 1)
    found = Scrape.of(port)
    assert found.value("hokusai_database_connections_max") == 20
    workers = serving.workers()
    least = min(one.memory_info().rss for one in workers)
    assert found.value("process_resident_memory_bytes") > 1.5 * least

    # Before a worker ends, it writes all of its counts.
    out = {"name": "hokusai_body_bytes_total", "direction": "out"}
    before = Scrape.of(port).value(**out)
    with httpx.Client(base_url=serving.url, trust_env=False) as client:
        sent = sum(len(client.get("/openapi.json").content) for _ in range(10))
    for worker in workers:
        worker.terminate()
    psutil.wait_procs(workers)
    assert Scrape.of(port).value(**out) >= before + sent
    wait_until(lambda: Scrape.of(port).value("hokusai_upstream_connections_max") == 14)
    workers = serving.workers()

    # The state of a dead worker is neither reported nor added to its successor's.
    workers[0].kill()
    wait_until(lambda: Scrape.of(port).value("hokusai_upstream_connections_max") == 7)
    wait_until(lambda: Scrape.of(port).value("hokusai_upstream_connections_max") == 14)
    assert serving.stop(signal.SIGTERM) == 0


def test_a_worker_that_is_starting_breaks_no_scrape(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    # prometheus_client creates a file, and fills it afterwards.
    (tmp_path / f"counter_{os.getpid()}.db").touch()
    (tmp_path / f"gauge_livesum_{os.getpid()}.db").write_bytes(bytes(1 << 16))
    found = Scrape(generate_latest(combined_registry()).decode())
    assert found.value("process_resident_memory_bytes") > 1_000_000
