"""Registering and reading benchmarks over HTTP."""

import hashlib
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg2
import pytest

from app.core.request.principal import Scope
from tests.support.benchmarks import (
    benchmark_request,
    commit,
    new_benchmark,
    register_benchmark,
)
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql
from tests.support.training import Training
from tests.support.wallet import Wallet

R = 0x30644E72E131A029B85045B68181585D2833E84879B9709143E1F593F0000001


def log_entry(client: httpx.Client, index: int) -> dict[str, Any]:
    page = good(client.get("/api/attestations/log/entries", params={"start": index, "limit": 1}))
    found: dict[str, Any] = json.loads(page["entries"][0]["entry"])
    return found


def test_a_benchmark_is_kept_as_it_was_stated(training: Training) -> None:
    request = benchmark_request(
        split="holdout",
        min_examples=900,
        label_holder="The auditors",
        guardrails=[{"metric": "latency_ms", "max_worsening": 5}],
    )
    made = good(training.client.post("/api/benchmarks", json=request), 201)
    assert {name: made[name] for name in request if name != "guardrails"} == {
        name: value for name, value in request.items() if name != "guardrails"
    }
    assert made["guardrails"] == [
        {"metric": "latency_ms", "higher_is_better": False, "max_worsening": 5.0}
    ]
    assert (made["tenant"], made["metric_family"], made["higher_is_better"]) == (
        training.tenant,
        "proportion",
        True,
    )
    assert training.get(f"/api/benchmarks/{made['benchmark_id']}") == made


def test_the_defaults_ask_for_every_row(training: Training) -> None:
    made = new_benchmark(training.client, dataset_hash=f"sha256:{'ab' * 32}")
    assert (made["min_examples"], made["split"], made["dataset_hash"]) == (1000, "test", "ab" * 32)
    assert made["label_holder"] == training.tenant
    assert made["labels_released"] is None


def test_the_log_has_the_hash_of_the_record(training: Training, anyone: httpx.Client) -> None:
    made = new_benchmark(training.client)
    record = made["record"]
    assert made["record_sha256"] == hashlib.sha256(record.encode()).hexdigest()
    stated = json.loads(record)
    assert stated.pop("kind") == "benchmark"
    assert all(made[name] == value for name, value in stated.items() if name != "created_at")
    entry = log_entry(anyone, made["log_index"])
    assert (entry["kind"], entry["subject"]) == ("benchmark", made["benchmark_id"])
    assert entry["record_sha256"] == made["record_sha256"]


def test_the_log_says_nothing_of_a_private_benchmark(
    training: Training, anyone: httpx.Client
) -> None:
    made = new_benchmark(training.client, name="our secret plan", private=True)
    entry = log_entry(anyone, made["log_index"])
    assert set(entry) == {"kind", "subject", "at", "record_sha256"}


@pytest.mark.parametrize("key", [None, "a key"])
def test_a_repetition_gets_the_same_benchmark(training: Training, key: str | None) -> None:
    request = benchmark_request()
    headers = {} if key is None else {"Idempotency-Key": key}
    first, second = (
        training.client.post("/api/benchmarks", json=request, headers=headers) for _ in range(2)
    )
    assert good(first, 201) == good(second, 201)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


def test_a_key_is_good_for_one_request(training: Training) -> None:
    key = secrets.token_hex(8)
    good(register_benchmark(training.client, key), 201)
    refused(register_benchmark(training.client, key), 422, "idempotency_key_reused")


def test_simultaneous_repetitions_make_one_benchmark(training: Training) -> None:
    request = benchmark_request()
    with ThreadPoolExecutor(8) as pool:
        responses = pool.map(
            lambda _: training.client.post("/api/benchmarks", json=request), range(8)
        )
        ids = {good(response, 201)["benchmark_id"] for response in responses}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"rows": 0}, "rows"),
        ({"rows": 10_000_001}, "rows"),
        ({"rows": "1000"}, "rows"),
        ({"min_examples": 1001}, "min_examples"),
        ({"dataset_hash": "md5:00"}, "dataset_hash"),
        ({"label_commitment": "00" * 32}, "label_commitment"),
        ({"label_commitment": f"{R:064x}"}, "label_commitment"),
        ({"label_commitment": f"0x{1:064x}"}, "label_commitment"),
        ({"name": "two\nlines"}, "name"),
        ({"metric": "rmse"}, "share of rows"),
        ({"metric": "f1"}, "share of rows"),
        ({"metric": "churn"}, "higher_is_better"),
        ({"higher_is_better": False}, "higher_is_better"),
        ({"metric_family": "continuous"}, "is a share of rows"),
        ({"metric": "mae", "metric_family": "continuous", "rows": 8001}, "8,000"),
        ({"metric_family": "astrology"}, "metric_family"),
        ({"guardrails": [{"metric": "accuracy", "max_worsening": 0}]}, "guardrails"),
        ({"guardrails": [{"metric": "latency_ms", "max_worsening": -1}]}, "max_worsening"),
        ({"guardrails": [{"metric": "wobble", "max_worsening": 1}]}, "higher_is_better"),
        ({"guardrails": [{"metric": f"mae_{n}", "max_worsening": 1} for n in range(21)]}, "20"),
        ({"typo": 1}, "typo"),
    ],
)
def test_what_cannot_be_a_benchmark_is_refused(
    training: Training, members: dict[str, Any], where: str
) -> None:
    before = good(training.client.get("/api/limits"))["quotas"]
    problem = refused(register_benchmark(training.client, **members), 422, "validation_failed")
    assert where in problem["message"]
    assert good(training.client.get("/api/limits"))["quotas"] == before


def test_a_secret_does_not_become_public(training: Training, gateway: RunningGateway) -> None:
    for member in ("name", "dataset_version", "split", "label_holder"):
        response = register_benchmark(training.client, **{member: gateway.key(training.tenant)})
        assert member in refused(response, 422, "validation_failed")["message"]


def test_a_direction_that_the_name_does_not_tell_is_as_said(training: Training) -> None:
    made = new_benchmark(training.client, metric="churn", higher_is_better=False)
    assert made["higher_is_better"] is False


def test_only_its_tenant_sees_a_private_benchmark(training: Training, stranger: Training) -> None:
    made = new_benchmark(training.client, private=True)
    path = f"/api/benchmarks/{made['benchmark_id']}"
    assert training.get(path)["private"] is True
    for other in (path, f"{path}/predictions"):
        refused(stranger.client.get(other), 404, "not_found")
    refused(stranger.client.post(f"{path}/release-labels"), 404, "not_found")
    for conditions in ({}, {"dataset_hash": made["dataset_hash"]}, {"tenant": training.tenant}):
        page = good(stranger.client.get("/api/benchmarks", params={"limit": 1000, **conditions}))
        assert made["benchmark_id"] not in {one["benchmark_id"] for one in page["items"]}


def test_lists_have_filters_and_pages(gateway: RunningGateway) -> None:
    with Training.of(gateway) as owner:
        made = [new_benchmark(owner.client, name=f"n{number}") for number in range(3)]
        mine = {"tenant": owner.tenant}
        newest = good(owner.client.get("/api/benchmarks", params={**mine, "limit": 2}))
        rest = good(owner.client.get("/api/benchmarks", params={**mine, "cursor": newest["next"]}))
        ids = [one["benchmark_id"] for one in (*newest["items"], *rest["items"])]
        assert ids == [one["benchmark_id"] for one in reversed(made)]
        for name in ("name", "dataset_hash"):
            found = good(owner.client.get("/api/benchmarks", params={**mine, name: made[1][name]}))
            assert [one["benchmark_id"] for one in found["items"]] == [made[1]["benchmark_id"]]
        none = good(owner.client.get("/api/benchmarks", params={**mine, "metric": "recall"}))
        assert none["items"] == []
        refused(
            owner.client.get("/api/benchmarks", params={"limit": 1001}), 422, "validation_failed"
        )


def test_registering_needs_its_scope(gateway: RunningGateway) -> None:
    with gateway.client(gateway.key(scopes=[Scope.READ, Scope.ATTEST])) as client:
        refused(register_benchmark(client), 403, "scope_missing")
        refused(client.get("/api/benchmarks/hkb_none"), 404, "not_found")


def test_the_database_refuses_changes(training: Training, gateway: RunningGateway) -> None:
    new_benchmark(training.client)
    for statement in (
        "UPDATE benchmarks SET rows = 1",
        "DELETE FROM benchmarks",
        "TRUNCATE prediction_commitments CASCADE",
        "DELETE FROM label_releases",
    ):
        with pytest.raises(psycopg2.DatabaseError, match="never changed or removed"):
            sql(gateway, statement)


def test_a_wallets_message_registers_one_benchmark(gateway: RunningGateway) -> None:
    wallet = Wallet()
    headers = wallet.headers()
    with gateway.client() as client:
        made = client.post("/api/benchmarks", json=benchmark_request(), headers=headers)
        benchmark = good(made, 201)
        assert benchmark["tenant"] == wallet.tenant
        again = client.post("/api/benchmarks", json=benchmark_request(), headers=headers)
        refused(again, 401, "signature_spent")
        release = f"/api/benchmarks/{benchmark['benchmark_id']}/release-labels"
        refused(client.post(release, headers=headers), 401, "signature_spent")


def test_what_is_stated_is_audited(training: Training, gateway: RunningGateway) -> None:
    benchmark_id = new_benchmark(training.client)["benchmark_id"]
    good(training.client.post(f"/api/benchmarks/{benchmark_id}/release-labels"))
    model_id = training.baseline(accuracy=0.5)["model_id"]
    other = new_benchmark(training.client)["benchmark_id"]
    committed = good(commit(training.client, other, model_id), 201)["predictions_id"]
    with gateway.client(gateway.key(scopes=ALL_SCOPES)) as admin:

        def actions(subject: str) -> list[str]:
            page = good(admin.get("/api/admin/audit", params={"subject": subject}))
            return [event["action"] for event in page["items"]]

        assert actions(benchmark_id) == ["benchmark.labels_released", "benchmark.registered"]
        assert actions(committed) == ["predictions.committed"]


def test_released_labels_are_noted_once(training: Training, stranger: Training) -> None:
    body = benchmark_request()
    made = good(training.client.post("/api/benchmarks", json=body), 201)
    path = f"/api/benchmarks/{made['benchmark_id']}/release-labels"
    refused(stranger.client.post(path), 403, "permission_denied")
    released = good(training.client.post(path))
    assert good(training.client.post(path)) == released
    assert training.get(f"/api/benchmarks/{made['benchmark_id']}")["labels_released"] == released
    # Also in the response to a repeated registration.
    again = good(training.client.post("/api/benchmarks", json=body), 201)
    assert (again["benchmark_id"], again["labels_released"]) == (made["benchmark_id"], released)
    entry = log_entry(training.client, released["log_index"])
    assert (entry["kind"], entry["subject"]) == ("labels_released", made["benchmark_id"])
