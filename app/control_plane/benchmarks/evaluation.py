"""The evaluation of an improvement on a benchmark: counts that are checked, and the judgement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from app.control_plane.benchmarks.acceptance import Count, Discordant, judge
from app.control_plane.benchmarks.counts import require_agreement
from app.control_plane.benchmarks.models import Benchmark, PredictionCommitment
from app.control_plane.registry.evaluation import CountRequest, EvaluationRequest
from app.control_plane.registry.metric_direction import Direction
from app.core.errors import UnprocessableError

# What the counts rest on: they were given, and agree with the metrics; or a proof shows them.
CountSource = Literal["given", "proven"]
# Members of a benchmark in an evaluation.
_SHOWN = (
    "benchmark_id",
    # Who registered it: a name can be anybody's.
    "tenant",
    "name",
    "dataset_hash",
    "dataset_version",
    "split",
    "rows",
    "metric",
    "metric_family",
    "higher_is_better",
    "min_examples",
    "label_commitment",
    "record_sha256",
    "log_index",
)


@dataclass(frozen=True, slots=True)
class Committed:
    """The commitments to the predictions of both models; None where there is none."""

    baseline: PredictionCommitment | None = None
    improved: PredictionCommitment | None = None


def evaluation_data(
    benchmark: Benchmark,
    counts: EvaluationRequest,
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    committed: Committed = Committed(),
    source: CountSource = "given",
) -> dict[str, Any]:
    """The member `evaluation` of an attestation's data.

    baseline, improved: the attested metrics of both models. Raises UnprocessableError where the
    counts are not those of the metric, or have more rows than the benchmark; and where a model has
    not the metric, or one of a guardrail.
    """
    models = {"baseline": (baseline, counts.baseline), "improved": (improved, counts.improved)}
    for which, (metrics, count) in models.items():
        _require_metrics(benchmark, which, metrics)
        if count.sample_size > benchmark.rows:
            raise UnprocessableError(
                f"evaluation.{which}: sample_size {count.sample_size} is more than the "
                f"{benchmark.rows} rows of {benchmark.benchmark_id}."
            )
        require_agreement(which, benchmark.metric, metrics[benchmark.metric], _count(count))
    guardrails = [_guardrail(one, baseline, improved) for one in benchmark.guardrails]
    pairs = counts.discordant
    acceptance = judge(
        _count(counts.baseline),
        _count(counts.improved),
        higher_is_better=benchmark.higher_is_better,
        min_examples=benchmark.min_examples,
        discordant=None if pairs is None else Discordant(pairs.baseline_only, pairs.improved_only),
        guardrails_held=all(one["held"] for one in guardrails),
    )
    return {
        "benchmark": {name: getattr(benchmark, name) for name in _SHOWN},
        "source": source,
        **counts.model_dump(),
        "predictions": {
            "baseline": _predictions(committed.baseline),
            "improved": _predictions(committed.improved),
        },
        "guardrails": guardrails,
        "acceptance": acceptance.data(),
    }


def require_directions(benchmark: Benchmark, directions: Mapping[str, Direction]) -> None:
    """Raises UnprocessableError where the models have another direction of a metric.

    directions: those with which the models are compared; of other metrics they follow from names.
    """
    wanted = {benchmark.metric: benchmark.higher_is_better}
    wanted |= {one["metric"]: one["higher_is_better"] for one in benchmark.guardrails}
    for metric, higher_is_better in wanted.items():
        direction = directions.get(metric)
        if direction is not None and direction.higher_is_better != higher_is_better:
            raise UnprocessableError(
                f"The benchmark {benchmark.benchmark_id} says that {metric!r} is better "
                f"{'higher' if higher_is_better else 'lower'}, and the models are compared the "
                f"other way ({direction.source}). Say it with higher_is_better where it is only "
                "guessed, or choose a benchmark of the same direction."
            )


def _require_metrics(benchmark: Benchmark, which: str, metrics: Mapping[str, float]) -> None:
    needed = [benchmark.metric, *(one["metric"] for one in benchmark.guardrails)]
    missing = [name for name in needed if name not in metrics]
    if missing:
        raise UnprocessableError(
            f"The benchmark {benchmark.benchmark_id} needs {_listed(missing)} of both models, and "
            f"the {which} model has {_listed(sorted(metrics))}. Log what is missing, and register "
            "the model with it."
        )


def _count(count: CountRequest) -> Count:
    return Count(count.successes, count.sample_size)


def _guardrail(
    guardrail: Mapping[str, Any], baseline: Mapping[str, float], improved: Mapping[str, float]
) -> dict[str, Any]:
    """A guardrail, and whether an improvement holds it: as the numbers are written in decimal."""
    before, after = baseline[guardrail["metric"]], improved[guardrail["metric"]]
    change = Decimal(repr(after)) - Decimal(repr(before))
    worsening = -change if guardrail["higher_is_better"] else change
    return {
        **guardrail,
        "baseline": before,
        "improved": after,
        "held": worsening <= Decimal(repr(guardrail["max_worsening"])),
    }


def _predictions(committed: PredictionCommitment | None) -> dict[str, Any] | None:
    if committed is None:
        return None
    return {
        "commitment": committed.commitment,
        "log_index": committed.log_index,
        "record_sha256": committed.record_sha256,
    }


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "") if names else "none"
