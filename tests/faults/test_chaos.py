"""Every part is killed repeatedly while users work; afterwards, every response was true."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.request.principal import Scope
from tests.faults.deployment import PATIENCE, Deployment, deployment
from tests.faults.workload import (
    FILES,
    MLFLOW,
    Attesting,
    Refused,
    Registering,
    Training,
    Worker,
    Wrong,
    content_of,
    train_with_the_client,
)
from tests.support.haproxy import PROGRAM
from tests.support.mlflow_user import MLflowUser
from tests.support.responses import good
from tests.support.transparency_log import verified_log
from tests.support.waiting import wait_until

TENANT = "chaos"
# Seconds for which a part is down, and for which all parts run before the next kill.
DOWN_SECONDS = 1.0
UP_SECONDS = 1.0


def pages(client: httpx.Client, path: str, items: str, **query: Any) -> Iterator[dict[str, Any]]:
    """All items of a paginated search of MLflow."""
    token = None
    while token != "":
        body = {**query, "page_token": token} if token else query
        if path.startswith("model"):
            page = good(client.get(f"{MLFLOW}/{path}", params=body))
        else:
            page = good(client.post(f"{MLFLOW}/{path}", json=body))
        yield from page.get(items, [])
        token = page.get("next_page_token", "")


def models(client: httpx.Client) -> Iterator[dict[str, Any]]:
    """All records in the registry of the client's tenant."""
    next_one: dict[str, str] | None = {}
    while next_one is not None:
        page = good(client.get("/api/models", params={"tenant": TENANT, "limit": 100, **next_one}))
        yield from page["items"]
        next_one = {"cursor": page["next"]} if page["next"] else None


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Deployment]:
    if PROGRAM is None:
        pytest.skip("HAProxy is not installed")
    with deployment(tmp_path) as started:
        yield started


def test_every_response_was_true(
    running: Deployment, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seconds: float = request.config.getoption("--chaos-seconds")
    key = running.key_issuer.key(TENANT)
    readonly = running.key_issuer.key(TENANT, [Scope.READ])
    limited = running.key_issuer.key(TENANT, rate_limit=20)
    url = running.balancer.url
    with ExitStack() as clients:
        client = clients.enter_context(
            httpx.Client(
                base_url=url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=60,
                trust_env=False,
            )
        )
        created = client.post(f"{MLFLOW}/experiments/create", json={"name": "chaos"})
        experiment = good(created)["experiment_id"]
        log_key = good(client.get("/.well-known/hokusai-attestor.json"))["log"]["key"]
        trainings = [Training(url, key, experiment), Training(url, limited, experiment)]
        registering = Registering(url, key, experiment)
        attesting = Attesting(url, key, log_key)
        refused, wrong = Refused(url, readonly, experiment), Wrong(url, key)
        workers: list[Worker] = [*trainings, registering, attesting, refused, wrong]
        for worker in workers:
            clients.enter_context(worker.client)
        kills: Counter[str] = Counter()
        stop = tmp_path / "stop"
        with ExitStack() as stack:
            user = stack.enter_context(
                MLflowUser(
                    tmp_path,
                    MLFLOW_TRACKING_URI=f"{url}/api/mlflow",
                    MLFLOW_TRACKING_TOKEN=key,
                    MLFLOW_DISABLE_TELEMETRY="true",
                    MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
                    MLFLOW_HTTP_REQUEST_MAX_RETRIES="2",
                    MLFLOW_HTTP_REQUEST_TIMEOUT="30",
                )
            )
            pool = stack.enter_context(ThreadPoolExecutor(1))
            program = pool.submit(user.call, train_with_the_client, experiment, str(stop))
            stack.callback(stop.touch)
            for worker in workers:
                stack.enter_context(worker)
            end = time.monotonic() + seconds
            while True:
                for name, fault in running.faults().items():
                    fault(lambda: time.sleep(DOWN_SECONDS))
                    kills[name] += 1
                    running.wait_until_ready()
                    time.sleep(UP_SECONDS)
                if time.monotonic() > end:
                    break
            stack.close()
        with_client = program.result()
        running.wait_until_ready()

        def all_are_registered() -> bool:
            return all(list(map(registering.register, sorted(registering.open))))

        wait_until(all_are_registered, PATIENCE)
        statuses = [(type(worker).__name__, dict(worker.responses)) for worker in workers]
        print(
            f"killed: {dict(kills)}\nresponses: {statuses}\nruns of the client: {len(with_client)}"
        )
        # There were requests and failures: otherwise this would have tested nothing.
        assert all(worker.responses for worker in workers)
        assert any(worker.responses[0] + worker.responses[503] for worker in workers)

        runs = list(
            pages(client, "runs/search", "runs", experiment_ids=[experiment], max_results=1000)
        )
        check_runs(client, runs, trainings)
        check_refusals(runs, refused, trainings[1])
        check_client(client, runs, with_client)
        check_registrations(client, registering, wrong)
        check_log(client, attesting)


def named(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Runs by the name in their tag."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
        if "chaos" in tags:
            found.setdefault(tags["chaos"], []).append(run)
    return found


def check_runs(client: httpx.Client, runs: list[dict[str, Any]], workers: list[Training]) -> None:
    """Each run with a 2xx response exists once, with the metrics and files that had one."""
    found_runs = named(runs)
    assert {name: len(found) for name, found in found_runs.items() if len(found) > 1} == {}
    for worker in workers:
        done = [name for name, status in worker.outcomes.items() if status < 300]
        assert done
        assert [name for name in done if name not in found_runs] == []
        for name in worker.metrics:
            logged = found_runs[name][0]["data"]["metrics"]
            assert [(one["key"], one["value"]) for one in logged] == [("m", 1.5)]
        for name, path in worker.files.items():
            assert client.get(f"{FILES}/{path}").content == content_of(name)


def check_refusals(runs: list[dict[str, Any]], refused: Refused, limited: Training) -> None:
    """No run with a 4xx response exists."""
    found_runs = named(runs)
    assert set(refused.outcomes.values()) >= {403}
    assert 429 in limited.outcomes.values()
    for outcomes in (refused.outcomes, limited.outcomes):
        refused_names = {name for name, status in outcomes.items() if 400 <= status < 500}
        assert refused_names & set(found_runs) == set()
    assert set(refused.outcomes) & set(found_runs) == set()


def check_client(client: httpx.Client, runs: list[dict[str, Any]], done: list[str]) -> None:
    """Each run that MLflow's client considered finished exists and is finished."""
    found_runs = {run["info"]["run_id"]: run for run in runs}
    assert done
    for run_id in done:
        assert found_runs[run_id]["info"]["status"] == "FINISHED"
        query = {"run_id": run_id, "metric_key": "loss"}
        history = good(client.get(f"{MLFLOW}/metrics/get-history", params=query))["metrics"]
        assert sorted(one.get("step", 0) for one in history) == [0, 1, 2]


def check_registrations(client: httpx.Client, worker: Registering, wrong: Wrong) -> None:
    """Each registration has one version and one record, each refused one none."""
    assert worker.outcomes
    assert worker.wrong == []

    def runs_of_versions() -> list[str]:
        found = pages(client, "model-versions/search", "model_versions", max_results=1000)
        return sorted(one["run_id"] for one in found)

    # A version that MLflow made after the gateway's timeout is deleted when the lease expires.
    wait_until(lambda: runs_of_versions() == sorted(worker.outcomes), PATIENCE)
    records = list(models(client))
    assert sorted(one["model_id"] for one in records) == sorted(worker.outcomes.values())
    assert {404, 422} & set(wrong.outcomes.values())
    assert 201 not in wrong.outcomes.values()
    names = {one["mlflow_name"] for one in records}
    assert [name for name in wrong.outcomes if any(name in one for one in names)] == []


def check_log(client: httpx.Client, worker: Attesting) -> None:
    """The log verifies from its first entry, at the last and every earlier checkpoint."""
    assert worker.checkpoints
    _, entries = verified_log(client, *worker.checkpoints)
    assert len(set(worker.outcomes)) == len(worker.outcomes)
    for digest in worker.outcomes:
        assert sum(digest in entry for entry in entries) == 1
