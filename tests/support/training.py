"""A tenant with runs and models in MLflow, made through the gateway with few requests."""

import secrets
import time
from typing import Any, Self

import httpx

from tests.support.attesting import improvement_request
from tests.support.gateway import RunningGateway
from tests.support.responses import good

MLFLOW = "/api/mlflow/api/2.0/mlflow"


class Training:
    """Makes runs, model files, registrations and attestations through a client of the gateway.

    tenant: its name, for tests that look at it.
    """

    def __init__(self, client: httpx.Client, tenant: str = "") -> None:
        self.client = client
        self.tenant = tenant

    @classmethod
    def of(cls, gateway: RunningGateway, tenant: str | None = None) -> "Training":
        """Of a new tenant, unless one is named; with all scopes but admin."""
        tenant = tenant or f"t-{secrets.token_hex(6)}"
        return cls(gateway.client(gateway.key(tenant)), tenant)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def run(self, path: str | None = "model", /, **metrics: float | str) -> str:
        """The id of a new run with these metrics, and a model file at `path` unless it is None.

        `NaN` and infinities are given as text.
        """
        run = self.mlflow("runs/create", experiment_id="0")["run"]["info"]
        if metrics:
            logged = [
                {"key": name, "value": value, "timestamp": 1, "step": 0}
                for name, value in metrics.items()
            ]
            self.mlflow("runs/log-batch", run_id=run["run_id"], metrics=logged)
        if path is not None:
            root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            good(
                self.client.put(
                    f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{root}/{path}/MLmodel",
                    content=b"flavors: {}\n",
                )
            )
        found: str = run["run_id"]
        return found

    def log(self, run_id: str, name: str, value: float | str) -> None:
        """Log a later value of a metric of a run."""
        self.mlflow(
            "runs/log-metric",
            run_id=run_id,
            key=name,
            value=value,
            timestamp=int(time.time() * 1000),
        )

    def version(self, name: str, run_id: str) -> str:
        """The number of a new version of a registered model, made from a run."""
        self.client.post(f"{MLFLOW}/registered-models/create", json={"name": name})
        made = self.mlflow(
            "model-versions/create", name=name, source=f"runs:/{run_id}/model", run_id=run_id
        )
        number: str = made["model_version"]["version"]
        return number

    def delete_version(self, model: dict[str, Any]) -> None:
        """Delete the version of a registered model in MLflow."""
        body = {"name": model["mlflow_name"], "version": model["mlflow_version"]}
        good(self.client.request("DELETE", f"{MLFLOW}/model-versions/delete", json=body))

    def mlflow(self, route: str, **body: Any) -> dict[str, Any]:
        """POST to MLflow's REST API through the gateway."""
        document: dict[str, Any] = good(self.client.post(f"{MLFLOW}/{route}", json=body))
        return document

    def versions(self, condition: str = "") -> list[dict[str, Any]]:
        """The tenant's model versions in MLflow that match a condition."""
        found = self.get(f"{MLFLOW}/model-versions/search", filter=condition)
        versions: list[dict[str, Any]] = found.get("model_versions", [])
        return versions

    def register(self, kind: str, key: str | None = None, **body: Any) -> httpx.Response:
        """POST /api/models/{kind}."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.client.post(f"/api/models/{kind}", json=body, headers=headers)

    def registered(self, kind: str, **body: Any) -> dict[str, Any]:
        """The body of the response to a registration; fails unless it has status 201."""
        document: dict[str, Any] = good(self.register(kind, **body), 201)
        return document

    def baseline(self, **metrics: float) -> dict[str, Any]:
        """A new run, registered as a baseline."""
        return self.registered("baseline", run_id=self.run(**metrics), model_type="classification")

    def models(self, **filters: Any) -> list[dict[str, Any]]:
        """The items of GET /api/models."""
        found: list[dict[str, Any]] = self.get("/api/models", **filters)["items"]
        return found

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """The JSON body of a GET; fails unless it has status 200."""
        document: dict[str, Any] = good(self.client.get(path, params=parameters or None))
        return document

    def attest(self, headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:
        """POST /api/attestations."""
        return self.client.post("/api/attestations", json=request, headers=headers)

    def improvement(
        self, before: float = 0.85, after: float = 0.88, metric: str = "accuracy", **request: Any
    ) -> dict[str, Any]:
        """A witnessed attestation of an improvement from one new run to another."""
        body = improvement_request(
            self.run(**{metric: before}), self.run(**{metric: after}), **request
        )
        attestation: dict[str, Any] = good(self.attest(**body), 201)
        return attestation
