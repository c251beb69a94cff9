"""The methods of `ModelRegistry` about benchmarks."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

from hokusai.api import GatewayAPI
from hokusai.json_encoding import to_json_data
from hokusai.results import Benchmark, PredictionCommitment, Result


class BenchmarkCalls:
    """Registering benchmarks, and committing to predictions on them.

    Attributes:
        api: Sends the requests.
    """

    api: GatewayAPI

    def register_benchmark(
        self,
        name: str,
        *,
        dataset_hash: str,
        dataset_version: str,
        rows: int,
        metric: str,
        label_commitment: str,
        metric_family: str | None = None,
        split: str | None = None,
        higher_is_better: bool | None = None,
        guardrails: Sequence[Mapping[str, Any]] = (),
        min_examples: int | None = None,
        label_holder: str | None = None,
        private: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Benchmark:
        """Register a benchmark; it never changes afterwards.

        Args:
            name: Its name.
            dataset_hash: The SHA-256 of the data set, with or without `sha256:` before it.
            dataset_version: The version of the data set.
            rows: How many rows it has.
            metric: The metric that counts: a share of rows, such as accuracy, or with another
                `metric_family` the mean of a score of each row.
            label_commitment: A commitment to the labels that binds their number, 64 hexadecimal
                digits.
            metric_family: How improvements are judged: `proportion` (the default), `continuous`,
                `zero_inflated_continuous` or `rank_or_ordinal`.
            split: Which part of the data set; by default test.
            higher_is_better: The metric's direction, if its name does not show it.
            guardrails: Metrics that an accepted improvement must not make much worse, each with
                `metric` and `max_worsening`, and `higher_is_better` where the name does not show
                it.
            min_examples: How many rows have to be evaluated, at least; by default all.
            label_holder: Who holds the labels; by default the caller's tenant.
            private: Whether only the caller's tenant may see it.
            idempotency_key: Identifies this benchmark when it is sent again.

        Raises:
            ValidationError: Something of it is not valid; the message says what.
        """
        body = {
            "name": name,
            "dataset_hash": dataset_hash,
            "dataset_version": dataset_version,
            "split": split,
            "rows": to_json_data(rows, "rows"),
            "metric": metric,
            "metric_family": metric_family,
            "higher_is_better": higher_is_better,
            "guardrails": to_json_data(list(guardrails), "guardrails") or None,
            "min_examples": to_json_data(min_examples, "min_examples"),
            "label_commitment": label_commitment,
            "label_holder": label_holder,
            "private": private,
        }
        return self.api.register_benchmark(body, idempotency_key)

    def benchmark(self, benchmark_id: str) -> Benchmark:
        """Fetch one benchmark.

        Raises:
            NotFoundError: There is none with this id that the caller can see.
        """
        return self.api.benchmark(benchmark_id)

    def benchmarks(self, *, limit: int | None = None, **filters: Any) -> Iterator[Benchmark]:
        """Iterate over benchmarks, newest first.

        Args:
            limit: The most benchmarks to yield; all by default.
            **filters: `name`, `dataset_hash`, `metric` and `tenant` select benchmarks.
        """
        return self.api.benchmarks(limit=limit, **filters)

    def commit_predictions(
        self, benchmark_id: str, model_id: str, commitment: str
    ) -> PredictionCommitment:
        """Commit to a model's predictions on a benchmark, once for ever.

        Args:
            benchmark_id: The benchmark.
            model_id: A registered model of the caller's tenant.
            commitment: The commitment, 64 hexadecimal digits.

        Raises:
            ConflictError: Other predictions of the model are committed, or the labels were
                released.
        """
        return self.api.commit_predictions(benchmark_id, model_id, commitment)

    def predictions(
        self, benchmark_id: str, *, limit: int | None = None, **filters: Any
    ) -> Iterator[PredictionCommitment]:
        """Iterate over the commitments on a benchmark, newest first.

        Args:
            benchmark_id: The benchmark.
            limit: The most commitments to yield; all by default.
            **filters: `model_id` selects the one of a model.
        """
        return self.api.predictions(benchmark_id, limit=limit, **filters)

    def release_labels(self, benchmark_id: str) -> Result:
        """Note in the log that the labels leave their holder; no predictions follow.

        Raises:
            PermissionDeniedError: The benchmark belongs to another tenant.
        """
        return self.api.release_labels(benchmark_id)


__all__ = ["BenchmarkCalls"]
