"""A run's metrics, and comparing claims with them."""

import pytest

from app.control_plane.attestations.witness import INFINITE, check_claims, witnessed_run
from app.core.errors import ClaimDisagreesError
from app.mlflow.resources import Run

METRICS = {
    "accuracy": 0.5,
    "nothing": float("nan"),
    "endless": INFINITE,
    "bottomless": -INFINITE,
    "system/cpu": 9.0,
}
ATTESTED = {"accuracy": 0.1 + 0.2, "zero": 0.0}


def test_metrics_that_are_not_finite_are_named_and_left_out() -> None:
    run = witnessed_run(Run("r1", "1", "", METRICS, {}))
    assert run.metrics == {"accuracy": 0.5}
    assert run.not_finite == ("bottomless", "endless", "nothing")


@pytest.mark.parametrize(
    "claims", [{}, {"accuracy": 0.3}, {"accuracy": 0.1 + 0.2, "zero": 0.0}, {"zero": -0.0}]
)
def test_claims_agree_up_to_the_digits_that_are_printed(claims: dict[str, float]) -> None:
    check_claims("improved", claims, ATTESTED, "run r1")


def test_every_claim_that_disagrees_is_reported() -> None:
    claims = {"zero": 1e-12, "accuracy": 0.3001, "absent": 1.0}
    with pytest.raises(ClaimDisagreesError, match="run r1") as caught:
        check_claims("baseline", claims, ATTESTED, "run r1")
    disagreements = caught.value.extra["disagreements"]
    assert [(item["metric"], item["recorded"]) for item in disagreements] == [
        ("absent", None),
        ("accuracy", ATTESTED["accuracy"]),
        ("zero", 0.0),
    ]
    assert {item["model"] for item in disagreements} == {"baseline"}
    assert "you claim 0.3001" in caught.value.message
