"""Benchmarks, and models that are evaluated on them, through an HTTP client of the gateway."""

import itertools
import time
from typing import Any

import httpx

from tests.support.attesting import CONTRIBUTOR
from tests.support.responses import good
from tests.support.training import Training

_numbers = itertools.count(1)


def commitment() -> str:
    """Another commitment each time."""
    return f"{next(_numbers):064x}"


def benchmark_request(**members: Any) -> dict[str, Any]:
    """The body of a request for a benchmark of 1,000 rows, unlike every other one."""
    return {
        "name": "churn-2026",
        "dataset_hash": f"{next(_numbers):064x}",
        "dataset_version": "2026-11",
        "rows": 1000,
        "metric": "accuracy",
        "label_commitment": commitment(),
        **members,
    }


def register_benchmark(client: httpx.Client, key: str | None = None, **members: Any) -> Any:
    """POST /api/benchmarks: the response."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/api/benchmarks", json=benchmark_request(**members), headers=headers)


def new_benchmark(client: httpx.Client, **members: Any) -> dict[str, Any]:
    """A new benchmark."""
    found: dict[str, Any] = good(register_benchmark(client, **members), 201)
    return found


def commit(
    client: httpx.Client, benchmark_id: str, model_id: str, value: str | None = None
) -> httpx.Response:
    """POST /api/benchmarks/{benchmark_id}/predictions, once the model's files are read."""
    body = {"model_id": model_id, "commitment": value or commitment()}
    while True:
        response = client.post(f"/api/benchmarks/{benchmark_id}/predictions", json=body)
        if response.status_code != 409 or response.json()["reason"] != "files_pending":
            return response
        time.sleep(0.1)


def counts(baseline: int, improved: int, sample_size: int = 1000, **more: Any) -> dict[str, Any]:
    """The member `evaluation` of a request."""
    return {
        "baseline": {"successes": baseline, "sample_size": sample_size},
        "improved": {"successes": improved, "sample_size": sample_size},
        **more,
    }


def register_improved(training: Training, baseline: dict[str, Any], **body: Any) -> httpx.Response:
    """POST /api/models/improved, of a new run with accuracy 0.88 unless `run_id` is given."""
    if "run_id" not in body:
        body["run_id"] = training.run(accuracy=0.88)
    return training.register(
        "improved",
        baseline_model_id=baseline["model_id"],
        contributor_address=CONTRIBUTOR,
        **body,
    )


def scored(baseline: list[Any], improved: list[Any], **more: Any) -> dict[str, Any]:
    """The member `evaluation` of a request, by the score of each row."""
    return {"baseline": {"scores": baseline}, "improved": {"scores": improved}, **more}
