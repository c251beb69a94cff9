"""Witnessing: reading a run's metrics in MLflow, and comparing a caller's claims with them."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import ClaimDisagreesError, NotFoundError, UnprocessableError
from app.mlflow.client import MLflowClient

# MLflow and its database keep a double unchanged; this allows for one that was printed with fewer
# digits.
RELATIVE_TOLERANCE = 1e-9
# MLflow's SQL store keeps this value in place of an infinity.
INFINITE = sys.float_info.max


@dataclass(frozen=True, slots=True)
class WitnessedRun:
    """A run's finite metrics, and the names of those that are not finite."""

    run_id: str
    metrics: dict[str, float]
    not_finite: tuple[str, ...]


async def witness_run(mlflow: MLflowClient, workspace: str | None, run_id: str) -> WitnessedRun:
    """Read the metrics of a run. Raises NotFoundError where the workspace has no such run."""
    run = await mlflow.run(workspace, run_id)
    if run is None:
        raise NotFoundError(f"Your tenant has no run {run_id}.")
    metrics = run.model_metrics
    return WitnessedRun(
        run_id=run.run_id,
        metrics={name: value for name, value in metrics.items() if abs(value) < INFINITE},
        # A comparison with NaN is false, so this is every other metric.
        not_finite=tuple(sorted(name for name in metrics if not abs(metrics[name]) < INFINITE)),
    )


async def run_of_version(
    mlflow: MLflowClient, workspace: str | None, name: str, version: str
) -> str:
    """The id of the run that a model version was made from.

    Raises NotFoundError where there is no such version, UnprocessableError where it has no run.
    """
    model_version = await mlflow.model_version(workspace, name, version)
    if model_version is None:
        raise NotFoundError(f"Your tenant has no version {version} of a model {name}.")
    if model_version.run_id is None:
        raise UnprocessableError(
            f"Version {version} of {name} was not made from a run, so there are no metrics to "
            "read. Create it from a run, or have your own metrics attested with kind `claimed`."
        )
    return model_version.run_id


def check_claims(which: str, claims: Mapping[str, float], run: WitnessedRun) -> None:
    """Compare claimed metrics with those of a run. which: `baseline` or `improved`.

    Raises ClaimDisagreesError, whose member `disagreements` has both values of each.
    """
    disagreements = [
        {"model": which, "metric": name, "claimed": value, "recorded": run.metrics.get(name)}
        for name, value in sorted(claims.items())
        if name not in run.metrics
        or not math.isclose(value, run.metrics[name], rel_tol=RELATIVE_TOLERANCE)
    ]
    if disagreements:
        listed = "; ".join(
            f"{item['metric']}: you claim {item['claimed']}, the run has {item['recorded']}"
            for item in disagreements
        )
        raise ClaimDisagreesError(
            f"The metrics of the {which} model disagree with run {run.run_id} in MLflow: {listed}.",
            extra={"disagreements": disagreements},
        )
