"""The evaluation of an improvement on a benchmark: what is stated is checked, and judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from app.control_plane.benchmarks.acceptance import Count, Judgement, judge
from app.control_plane.benchmarks.counts import require_agreement
from app.control_plane.benchmarks.means import require_mean
from app.control_plane.benchmarks.measured import CountComparison, Measured
from app.control_plane.benchmarks.models import Benchmark, PredictionCommitment
from app.control_plane.benchmarks.score_acceptance import RANKS, judge_scores
from app.control_plane.benchmarks.score_thread import in_thread
from app.control_plane.benchmarks.scores import ScoreComparison
from app.control_plane.registry.metric_direction import Direction
from app.core.errors import UnprocessableError

# What they rest on: they were given, and agree with the metrics; or a proof shows the counts.
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


async def evaluation_data(
    benchmark: Benchmark,
    measured: Measured,
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    committed: Committed = Committed(),
    source: CountSource = "given",
) -> dict[str, Any]:
    """The member `evaluation` of an attestation's data.

    baseline, improved: the attested metrics of both models. Raises UnprocessableError where what
    was measured is not the metric, or is of more rows than the benchmark has; and where a model has
    not the metric, or one of a guardrail.
    """
    both = {"baseline": (baseline, measured.baseline), "improved": (improved, measured.improved)}
    for which, (metrics, one) in both.items():
        _require_metrics(benchmark, which, metrics)
        if one.sample_size > benchmark.rows:
            raise UnprocessableError(
                f"evaluation.{which}: sample_size {one.sample_size} is more than the "
                f"{benchmark.rows} rows of {benchmark.benchmark_id}."
            )
        value = metrics[benchmark.metric]
        if isinstance(one, Count):
            require_agreement(which, benchmark.metric, value, one)
        else:
            require_mean(which, benchmark.metric, value, one)
    guardrails = [_guardrail(one, baseline, improved) for one in benchmark.guardrails]
    held = all(one["held"] for one in guardrails)
    return {
        "benchmark": {name: getattr(benchmark, name) for name in _SHOWN},
        "source": source,
        **measured.data(),
        "predictions": {
            "baseline": _predictions(committed.baseline),
            "improved": _predictions(committed.improved),
        },
        "guardrails": guardrails,
        "acceptance": (await _judge(benchmark, measured, held)).data(),
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


async def _judge(benchmark: Benchmark, measured: Measured, guardrails_held: bool) -> Judgement:
    if isinstance(measured, CountComparison):
        return judge(
            measured.baseline,
            measured.improved,
            higher_is_better=benchmark.higher_is_better,
            min_examples=benchmark.min_examples,
            discordant=measured.discordant,
            guardrails_held=guardrails_held,
        )
    _require_variance(benchmark, measured)
    # A test of means takes tens of milliseconds.
    return await in_thread(
        judge_scores,
        benchmark.metric_family,
        measured,
        higher_is_better=benchmark.higher_is_better,
        min_examples=benchmark.min_examples,
        guardrails_held=guardrails_held,
    )


def _require_variance(benchmark: Benchmark, measured: ScoreComparison) -> None:
    """Raises UnprocessableError where a test of means has no variance to compare with."""
    both = (measured.baseline, measured.improved)
    if benchmark.metric_family != RANKS and not any(one.standard_deviation for one in both):
        raise UnprocessableError(
            f"evaluation: each model has the same score in all rows, so that nothing shows how "
            f"much {benchmark.metric} varies. Give the score of each row, and not their mean."
        )


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
