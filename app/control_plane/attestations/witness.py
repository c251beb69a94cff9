"""Witnessing: a run's metrics in MLflow, and comparing a caller's claims with them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from app.control_plane.registry.metric_source import is_same
from app.core.errors import ClaimDisagreesError
from app.mlflow.resources import Run

# MLflow's SQL store keeps this value in place of an infinity.
INFINITE = sys.float_info.max


@dataclass(frozen=True, slots=True)
class WitnessedRun:
    """A run's finite metrics, and the names of those that are not finite."""

    run_id: str
    metrics: dict[str, float]
    not_finite: tuple[str, ...]


def witnessed_run(run: Run) -> WitnessedRun:
    """The metrics of a run as it was read, without MLflow's system metrics."""
    metrics = run.model_metrics
    return WitnessedRun(
        run_id=run.run_id,
        metrics={name: value for name, value in metrics.items() if abs(value) < INFINITE},
        # A comparison with NaN is false, so this is every other metric.
        not_finite=tuple(sorted(name for name in metrics if not abs(metrics[name]) < INFINITE)),
    )


def check_claims(
    which: str, claims: Mapping[str, float], attested: Mapping[str, float], where: str
) -> None:
    """Compare claimed metrics with those that are attested.

    which: `baseline` or `improved`. where: what the attested ones are from, for the message.

    Raises ClaimDisagreesError, whose member `disagreements` has both values of each.
    """
    disagreements = [
        {"model": which, "metric": name, "claimed": value, "recorded": attested.get(name)}
        for name, value in sorted(claims.items())
        if name not in attested or not is_same(value, attested[name])
    ]
    if disagreements:
        listed = "; ".join(
            f"{item['metric']}: you claim {item['claimed']}, it has {item['recorded']}"
            for item in disagreements
        )
        raise ClaimDisagreesError(
            f"The metrics of the {which} model disagree with {where}: {listed}.",
            extra={"disagreements": disagreements},
        )
