"""A tenant with runs and metrics, which attestations are about."""

import time
from typing import Any

import httpx

from tests.support.responses import good

MLFLOW = "/api/mlflow/api/2.0/mlflow"
CONTRIBUTOR = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"


class Trainer:
    """Calls MLflow's REST API and the gateway's own through one HTTP client."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def run(self, **metrics: float | str) -> str:
        """The id of a new run with these metrics; `NaN` and infinities are given as text."""
        started = good(
            self.client.post(f"{MLFLOW}/runs/create", json={"experiment_id": "0", "start_time": 1})
        )
        run_id: str = started["run"]["info"]["run_id"]
        for name, value in metrics.items():
            self.log(run_id, name, value)
        return run_id

    def log(self, run_id: str, name: str, value: float | str) -> None:
        good(
            self.client.post(
                f"{MLFLOW}/runs/log-metric",
                json={
                    "run_id": run_id,
                    "key": name,
                    "value": value,
                    "timestamp": int(time.time() * 1000),
                },
            )
        )

    def version(self, name: str, run_id: str) -> str:
        """The number of a new version of a registered model, made from a run."""
        self.client.post(f"{MLFLOW}/registered-models/create", json={"name": name})
        made = good(
            self.client.post(
                f"{MLFLOW}/model-versions/create",
                json={"name": name, "source": f"runs:/{run_id}/model", "run_id": run_id},
            )
        )
        version: str = made["model_version"]["version"]
        return version

    def attest(self, headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
        return self.client.post("/api/attestations", json=request, headers=headers)

    def improvement(
        self,
        before: float = 0.85,
        after: float = 0.88,
        metric: str = "accuracy",
        **request: Any,
    ) -> dict[str, Any]:
        """A witnessed attestation of an improvement from one new run to another."""
        body = {
            "baseline_run_id": self.run(**{metric: before}),
            "improved_run_id": self.run(**{metric: after}),
            "data_contribution": {
                "contributor": CONTRIBUTOR,
                "data_size": 5000,
                "data_hash": "ab" * 32,
                "note": "ünïcode",
            },
            **request,
        }
        attestation: dict[str, Any] = good(self.attest(**body), 201)
        return attestation
