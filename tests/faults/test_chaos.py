"""While users work, everything is killed once and again; afterwards nobody was told a lie."""

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
from tests.faults.deployment import PATIENCE, Site, site
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
from tests.support.answers import good
from tests.support.haproxy import PROGRAM
from tests.support.log import verified_log
from tests.support.user import User
from tests.support.waiting import wait_until

TENANT = "chaos"
# How long a part stays away, and how long all is well before the next one goes, in seconds.
AWAY = 1.0
WELL = 1.0


def pages(client: httpx.Client, path: str, items: str, **query: Any) -> Iterator[dict[str, Any]]:
    """All items of one of MLflow's searches."""
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
    """All records of the registry that the client's tenant has."""
    next_one: dict[str, str] | None = {}
    while next_one is not None:
        page = good(client.get("/api/models", params={"tenant": TENANT, "limit": 100, **next_one}))
        yield from page["items"]
        next_one = {"cursor": page["next"]} if page["next"] else None


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Site]:
    if PROGRAM is None:
        pytest.skip("HAProxy is not installed")
    with site(tmp_path) as running:
        yield running


def test_what_was_answered_is_so(
    made: Site, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seconds: float = request.config.getoption("--chaos-seconds")
    key = made.office.key(TENANT)
    readonly = made.office.key(TENANT, [Scope.READ])
    limited = made.office.key(TENANT, rate_limit=20)
    url = made.balancer.url
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
                User(
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
            program = pool.submit(user.does, train_with_the_client, experiment, str(stop))
            stack.callback(stop.touch)
            for worker in workers:
                stack.enter_context(worker)
            end = time.monotonic() + seconds
            while True:
                for name, fault in made.faults().items():
                    fault(lambda: time.sleep(AWAY))
                    kills[name] += 1
                    made.wait_until_ready()
                    time.sleep(WELL)
                if time.monotonic() > end:
                    break
            stack.close()
        with_client = program.result()
        made.wait_until_ready()

        def all_are_answered() -> bool:
            return all(list(map(registering.register, sorted(registering.open))))

        wait_until(all_are_answered, PATIENCE)
        told = [(type(worker).__name__, dict(worker.answers)) for worker in workers]
        print(f"killed: {dict(kills)}\nanswers: {told}\nthe client's runs: {len(with_client)}")
        # Something was done, and something went wrong: else this looked at nothing.
        assert all(worker.answers for worker in workers)
        assert any(worker.answers[0] + worker.answers[503] for worker in workers)

        runs = list(
            pages(client, "runs/search", "runs", experiment_ids=[experiment], max_results=1000)
        )
        check_runs(client, runs, trainings)
        check_refusals(runs, refused, trainings[1])
        check_client(client, runs, with_client)
        check_registrations(client, registering, wrong)
        check_log(client, attesting)


def named(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Runs by the name that their maker gave them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
        if "chaos" in tags:
            found.setdefault(tags["chaos"], []).append(run)
    return found


def check_runs(client: httpx.Client, runs: list[dict[str, Any]], workers: list[Training]) -> None:
    """Each run that was answered 2xx is there once, with the metric and the file that were."""
    there = named(runs)
    assert {name: len(found) for name, found in there.items() if len(found) > 1} == {}
    for worker in workers:
        done = [name for name, status in worker.told.items() if status < 300]
        assert done
        assert [name for name in done if name not in there] == []
        for name in worker.metrics:
            logged = there[name][0]["data"]["metrics"]
            assert [(one["key"], one["value"]) for one in logged] == [("m", 1.5)]
        for name, path in worker.files.items():
            assert client.get(f"{FILES}/{path}").content == content_of(name)


def check_refusals(runs: list[dict[str, Any]], refused: Refused, limited: Training) -> None:
    """No run is there that was answered 4xx."""
    there = named(runs)
    assert set(refused.told.values()) >= {403}
    assert 429 in limited.told.values()
    for told in (refused.told, limited.told):
        turned_away = {name for name, status in told.items() if 400 <= status < 500}
        assert turned_away & set(there) == set()
    assert set(refused.told) & set(there) == set()


def check_client(client: httpx.Client, runs: list[dict[str, Any]], done: list[str]) -> None:
    """Each run that MLflow's own client took for done is there, and is."""
    there = {run["info"]["run_id"]: run for run in runs}
    assert done
    for run_id in done:
        assert there[run_id]["info"]["status"] == "FINISHED"
        query = {"run_id": run_id, "metric_key": "loss"}
        history = good(client.get(f"{MLFLOW}/metrics/get-history", params=query))["metrics"]
        assert sorted(one.get("step", 0) for one in history) == [0, 1, 2]


def check_registrations(client: httpx.Client, worker: Registering, wrong: Wrong) -> None:
    """One version and one record for each registration, and none for those that were refused."""
    assert worker.told
    assert worker.wrong == []

    def runs_of_versions() -> list[str]:
        found = pages(client, "model-versions/search", "model_versions", max_results=1000)
        return sorted(one["run_id"] for one in found)

    # What MLflow made after its gateway had given up waiting is taken away a lease later.
    wait_until(lambda: runs_of_versions() == sorted(worker.told), PATIENCE)
    records = list(models(client))
    assert sorted(one["model_id"] for one in records) == sorted(worker.told.values())
    assert {404, 422} & set(wrong.told.values())
    assert 201 not in wrong.told.values()
    names = {one["mlflow_name"] for one in records}
    assert [name for name in wrong.told if any(name in one for one in names)] == []


def check_log(client: httpx.Client, worker: Attesting) -> None:
    """The log verifies from its first entry, also at each size that it showed meanwhile."""
    assert worker.checkpoints
    _, entries = verified_log(client, *worker.checkpoints)
    assert len(set(worker.told)) == len(worker.told)
    for digest in worker.told:
        assert sum(digest in entry for entry in entries) == 1
