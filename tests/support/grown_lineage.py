"""A tenant's models as pages show them: a line of improvements with branches, attested."""

from dataclasses import dataclass
from typing import Any

from tests.support.training import Training

CONTRIBUTORS = (
    "0x742D35cc6634C0532925A3B844BC9E7595f62341",
    "0x" + "6c" * 20,
    "0x" + "1c" * 20,
)


@dataclass
class Lineage:
    """The ids of the models. line: from the first baseline to the best one."""

    line: list[str]
    branch: str
    withdrawn: str
    attestation: dict[str, Any]

    @property
    def best(self) -> str:
        return self.line[-1]


def grow(training: Training) -> Lineage:
    """Register seven models and have the best one attested."""
    name = "customer-churn"
    first = training.registered(
        "baseline",
        run_id=training.run(accuracy=0.83, f1_score=0.741, log_loss=0.44, latency_ms=12.9),
        model_type="churn_prediction",
        primary_metric="accuracy",
        name=name,
    )["model_id"]

    def improve(on: str, name: str, weights: tuple[int, ...], **metrics: float) -> str:
        model: str = training.registered(
            "improved",
            run_id=training.run(**metrics),
            baseline_model_id=on,
            name=name,
            data_contribution=[
                {"contributor": address, "weight_bps": weight, "data_size": 2 * weight}
                for address, weight in zip(CONTRIBUTORS, weights, strict=False)
            ],
        )["model_id"]
        return model

    second = improve(
        first, name, (10_000,), accuracy=0.85, f1_score=0.752, log_loss=0.412, latency_ms=12.4
    )
    third = improve(
        second,
        name,
        (6_250, 2_500, 1_250),
        accuracy=0.881,
        f1_score=0.79,
        log_loss=0.431,
        latency_ms=11.9,
    )
    branch = improve(first, "churn-lite", (10_000,), accuracy=0.836, latency_ms=2.25)
    improve(second, "churn-eu", (5_000, 5_000), accuracy=0.862)
    withdrawn = improve(second, "churn-us", (5_000, 5_000), accuracy=0.84)
    best = improve(third, name, (9_000, 1_000), accuracy=0.8973, f1_score=0.79, log_loss=0.402)
    response = training.client.post(
        f"/api/models/{withdrawn}/withdraw", json={"reason": "The shares were wrong."}
    )
    assert response.status_code == 200, response.text
    attested = training.client.post("/api/attestations", json={"model_id": best})
    assert attested.status_code == 201, attested.text
    return Lineage([first, second, third, best], branch, withdrawn, attested.json())
