"""The methods of `ModelRegistry` about benchmarks."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from hokusai.core import ModelRegistry
from hokusai.errors import ConflictError
from scripted import KEY, Response, ScriptedServer, problem

pytestmark = pytest.mark.usefixtures("isolated_mlflow")


@pytest.fixture
def registry(server: ScriptedServer) -> ModelRegistry:
    return ModelRegistry(server.url, api_key=KEY)


def test_a_benchmark_is_registered(registry: ModelRegistry, server: ScriptedServer) -> None:
    server.respond_with(Response(201, {"benchmark_id": "hkb_1"}))
    made = registry.register_benchmark(
        "churn",
        dataset_hash="ab" * 32,
        dataset_version="1",
        rows=1024,
        metric="reward",
        metric_family="continuous",
        label_commitment="1f" * 32,
        guardrails=[{"metric": "latency_ms", "max_worsening": 5}],
        idempotency_key="mine",
    )
    assert made.benchmark_id == "hkb_1"
    (request,) = server.requests
    assert request.path == "/api/benchmarks"
    assert request.headers["Idempotency-Key"] == "mine"
    assert request.json == {
        "name": "churn",
        "dataset_hash": "ab" * 32,
        "dataset_version": "1",
        "rows": 1024,
        "metric": "reward",
        "metric_family": "continuous",
        "label_commitment": "1f" * 32,
        "guardrails": [{"metric": "latency_ms", "max_worsening": 5}],
    }


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda registry: registry.benchmark("hkb_1"), "GET", "/api/benchmarks/hkb_1"),
        (
            lambda registry: registry.commit_predictions("hkb_1", "hkm_1", "1f" * 32),
            "POST",
            "/api/benchmarks/hkb_1/predictions",
        ),
        (
            lambda registry: registry.release_labels("hkb_1"),
            "POST",
            "/api/benchmarks/hkb_1/release-labels",
        ),
    ],
)
def test_a_call_returns_the_response(
    registry: ModelRegistry,
    server: ScriptedServer,
    call: Callable[[ModelRegistry], Any],
    method: str,
    path: str,
) -> None:
    server.respond_with(Response(document={"member": 1}))
    assert call(registry).member == 1
    assert [(request.method, request.path) for request in server.requests] == [(method, path)]


def test_lists_are_iterated(registry: ModelRegistry, server: ScriptedServer) -> None:
    server.respond_with(
        Response(document={"items": [{"benchmark_id": "hkb_1"}], "next": None}),
        Response(document={"items": [{"model_id": "hkm_1"}], "next": None}),
    )
    assert [one.benchmark_id for one in registry.benchmarks(name="churn")] == ["hkb_1"]
    assert [one.model_id for one in registry.predictions("hkb_1", model_id="hkm_1")] == ["hkm_1"]
    assert [request.path for request in server.requests] == [
        "/api/benchmarks?name=churn",
        "/api/benchmarks/hkb_1/predictions?model_id=hkm_1",
    ]


def test_a_commitment_waits_until_the_files_are_read(
    registry: ModelRegistry, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    pending = problem(409, "files_pending", Retry_After="1")
    server.respond_with(pending, Response(201, {"predictions_id": "hkp_1"}))
    made = registry.commit_predictions("hkb_1", "hkm_1", "1f" * 32)
    assert made.predictions_id == "hkp_1"
    assert len(server.requests) == 2


def test_another_conflict_is_raised(registry: ModelRegistry, server: ScriptedServer) -> None:
    server.respond_with(problem(409, "committed_otherwise"))
    with pytest.raises(ConflictError, match="committed_otherwise"):
        registry.commit_predictions("hkb_1", "hkm_1", "1f" * 32)


def test_an_evaluation_is_sent(registry: ModelRegistry, server: ScriptedServer) -> None:
    counts = {
        "baseline": {"successes": 850, "sample_size": 1000},
        "improved": {"successes": 880, "sample_size": 1000},
    }
    server.respond_with(Response(201, {"hash": "9f"}), Response(201, {"warnings": []}))
    registry.attest(model_id="hkm_1", benchmark_id="hkb_1", evaluation=counts)
    registry.register_improved_model(
        "hkm_1",
        run_id="ab" * 16,
        contributor_address=f"0x{'5a' * 20}",
        benchmark_id="hkb_1",
        evaluation=counts,
    )
    for request in server.requests:
        assert (request.json["benchmark_id"], request.json["evaluation"]) == ("hkb_1", counts)


def test_scores_in_arrays_are_sent(registry: ModelRegistry, server: ScriptedServer) -> None:
    numpy = pytest.importorskip("numpy")
    server.respond_with(Response(201, {"hash": "9f"}))
    scores = {"scores": numpy.array([0.5, 0.25, 1], dtype="float32")}
    registry.attest(
        model_id="hkm_1",
        benchmark_id="hkb_1",
        evaluation={"baseline": scores, "improved": {"scores": [1, 0.5]}},
    )
    (request,) = server.requests
    assert request.json["evaluation"] == {
        "baseline": {"scores": [0.5, 0.25, 1.0]},
        "improved": {"scores": [1, 0.5]},
    }
