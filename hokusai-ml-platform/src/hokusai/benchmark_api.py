"""Hokusai's own API of benchmarks, one method per endpoint."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from hokusai.api_requests import APIRequests, segment
from hokusai.results import Benchmark, PredictionCommitment, Result
from hokusai.verify.strict_json import parse


class BenchmarkAPI(APIRequests):
    """The calls of `/api/benchmarks`; they raise what `GatewayClient.request` raises."""

    def register_benchmark(
        self, body: Mapping[str, Any], idempotency_key: str | None = None
    ) -> Benchmark:
        """Register a benchmark: `POST /api/benchmarks`.

        Args:
            body: The members of the request; those that are None are left out.
            idempotency_key: Identifies this benchmark when it is sent again.
        """
        return Benchmark(self._post("/benchmarks", body, idempotency_key))

    def benchmark(self, benchmark_id: str) -> Benchmark:
        """Fetch one benchmark: `GET /api/benchmarks/{benchmark_id}`."""
        return Benchmark(self._get(f"/benchmarks/{segment(benchmark_id)}"))

    def benchmarks(self, *, limit: int | None = None, **filters: Any) -> Iterator[Benchmark]:
        """Iterate over benchmarks, newest first: `GET /api/benchmarks`.

        Args:
            limit: The most benchmarks to yield; all by default.
            **filters: `name`, `dataset_hash`, `metric` and `tenant` select benchmarks.
        """
        return map(Benchmark, self.items("/benchmarks", filters, limit))

    def commit_predictions(
        self, benchmark_id: str, model_id: str, commitment: str
    ) -> PredictionCommitment:
        """Commit to a model's predictions: `POST /api/benchmarks/{benchmark_id}/predictions`.

        While the gateway still reads the model's files, this waits.

        Args:
            benchmark_id: The benchmark.
            model_id: A registered model of the caller's tenant.
            commitment: The commitment, 64 hexadecimal digits.
        """
        path = f"/benchmarks/{segment(benchmark_id)}/predictions"
        body = {"model_id": model_id, "commitment": commitment}
        return PredictionCommitment(self._post(path, body, None))

    def predictions(
        self, benchmark_id: str, *, limit: int | None = None, **filters: Any
    ) -> Iterator[PredictionCommitment]:
        """Iterate over the commitments on a benchmark, newest first.

        `GET /api/benchmarks/{benchmark_id}/predictions`.

        Args:
            benchmark_id: The benchmark.
            limit: The most commitments to yield; all by default.
            **filters: `model_id` selects the one of a model.
        """
        path = f"/benchmarks/{segment(benchmark_id)}/predictions"
        return map(PredictionCommitment, self.items(path, filters, limit))

    def release_labels(self, benchmark_id: str) -> Result:
        """Note in the log that a benchmark's labels leave their holder.

        `POST /api/benchmarks/{benchmark_id}/release-labels`. No predictions are accepted
        afterwards. A second time changes nothing.

        Returns:
            `log_index` and `at` of the entry in the log.
        """
        path = f"/benchmarks/{segment(benchmark_id)}/release-labels"
        return Result(self.client.request("POST", path, idempotent=True))

    def log_entry(self, index: int) -> Mapping[str, Any]:
        """Fetch one entry of the log, without the proof that the log has it.

        `GET /api/attestations/log/entries`.

        Args:
            index: Its place, from 0.
        """
        page = self._get("/attestations/log/entries", {"start": index, "limit": 1})
        entry: Mapping[str, Any] = parse(page["entries"][0]["entry"])
        return entry


__all__ = ["BenchmarkAPI"]
