"""Reading a run's metrics in MLflow, and comparing claims with them."""

from typing import Any

import pytest

from app.control_plane.attestations.witness import (
    INFINITE,
    WitnessedRun,
    check_claims,
    run_of_version,
    witness_run,
)
from app.core.errors import ClaimDisagreesError, NotFoundError, UnprocessableError
from app.mlflow.resources import ModelVersion, Run

METRICS = {
    "accuracy": 0.5,
    "nothing": float("nan"),
    "endless": INFINITE,
    "bottomless": -INFINITE,
    "system/cpu": 9.0,
}


class MLflow:
    async def run(self, workspace: str | None, run_id: str) -> Run | None:
        return Run(run_id, "1", "", METRICS, {}) if (workspace, run_id) == ("acme", "r1") else None

    async def model_version(self, _: str | None, name: str, version: str) -> ModelVersion | None:
        runs = {"1": "r1", "2": None}
        return ModelVersion(name, version, runs[version]) if version in runs else None


MLFLOW: Any = MLflow()


async def test_metrics_that_are_not_finite_are_named_and_left_out() -> None:
    run = await witness_run(MLFLOW, "acme", "r1")
    assert run.metrics == {"accuracy": 0.5}
    assert run.not_finite == ("bottomless", "endless", "nothing")


async def test_a_run_of_another_workspace_is_not_found() -> None:
    with pytest.raises(NotFoundError):
        await witness_run(MLFLOW, "other", "r1")


async def test_a_version_leads_to_its_run() -> None:
    assert await run_of_version(MLFLOW, "acme", "n", "1") == "r1"
    with pytest.raises(UnprocessableError, match="not made from a run"):
        await run_of_version(MLFLOW, "acme", "n", "2")
    with pytest.raises(NotFoundError):
        await run_of_version(MLFLOW, "acme", "n", "3")


RUN = WitnessedRun("r1", {"accuracy": 0.1 + 0.2, "zero": 0.0}, ())


@pytest.mark.parametrize(
    "claims", [{}, {"accuracy": 0.3}, {"accuracy": 0.1 + 0.2, "zero": 0.0}, {"zero": -0.0}]
)
def test_claims_agree_up_to_the_digits_that_are_printed(claims: dict[str, float]) -> None:
    check_claims("improved", claims, RUN)


def test_every_claim_that_disagrees_is_reported() -> None:
    with pytest.raises(ClaimDisagreesError) as caught:
        check_claims("baseline", {"zero": 1e-12, "accuracy": 0.3001, "absent": 1.0}, RUN)
    disagreements = caught.value.extra["disagreements"]
    assert [(item["metric"], item["recorded"]) for item in disagreements] == [
        ("absent", None),
        ("accuracy", RUN.metrics["accuracy"]),
        ("zero", 0.0),
    ]
    assert {item["model"] for item in disagreements} == {"baseline"}
    assert "you claim 0.3001" in caught.value.message
