"""Seeing for oneself: metrics as MLflow has them, beside what a caller says of them."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import ClaimDisagreesError, NotFoundError, UnprocessableError
from app.mlflow.client import MLflowClient

# A double survives MLflow and its database; this allows for one that was printed with less.
RELATIVE_TOLERANCE = 1e-9
# What MLflow's SQL store keeps in place of an infinity.
INFINITE = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A run's finite metrics, and the names of those that are not finite."""

    run_id: str
    metrics: dict[str, float]
    not_finite: tuple[str, ...]


async def witness(mlflow: MLflowClient, workspace: str | None, run_id: str) -> Witnessed:
    """The metrics of a run. Raises NotFoundError where the workspace has no such run."""
    run = await mlflow.run(workspace, run_id)
    if run is None:
        raise NotFoundError(f"There is no run {run_id} among your tenant's runs.")
    seen = run.model_metrics
    return Witnessed(
        run_id=run.run_id,
        metrics={name: value for name, value in seen.items() if abs(value) < INFINITE},
        # NaN compares as false, so this is the rest.
        not_finite=tuple(sorted(name for name in seen if not abs(seen[name]) < INFINITE)),
    )


async def run_of_version(
    mlflow: MLflowClient, workspace: str | None, name: str, version: str
) -> str:
    """The run that a model version comes from.

    Raises NotFoundError where there is no such version, UnprocessableError where it has no run.
    """
    found = await mlflow.model_version(workspace, name, version)
    if found is None:
        raise NotFoundError(f"There is no version {version} of a model {name} of your tenant's.")
    if found.run_id is None:
        raise UnprocessableError(
            f"Version {version} of {name} comes from no run, so there are no metrics to read. "
            "Register it from a run, or attest your own numbers with kind `claimed`."
        )
    return found.run_id


def compare(which: str, claimed: Mapping[str, float], seen: Witnessed) -> None:
    """Hold the caller's numbers against MLflow's.

    Raises ClaimDisagreesError, whose `disagreements` show both numbers of each.
    """
    wrong = [
        {"model": which, "metric": name, "claimed": value, "recorded": seen.metrics.get(name)}
        for name, value in sorted(claimed.items())
        if name not in seen.metrics
        or not math.isclose(value, seen.metrics[name], rel_tol=RELATIVE_TOLERANCE)
    ]
    if wrong:
        shown = "; ".join(
            f"{item['metric']}: you claim {item['claimed']}, the run has {item['recorded']}"
            for item in wrong
        )
        raise ClaimDisagreesError(
            f"The metrics of the {which} model disagree with run {seen.run_id} in MLflow: {shown}.",
            extra={"disagreements": wrong},
        )
