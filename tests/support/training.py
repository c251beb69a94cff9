"""A tenant with runs and models in MLflow, made through the gateway with few requests."""

import secrets
from typing import Any, Self

import httpx

from tests.support.gateway import RunningGateway


class Training:
    """Makes runs, model files and registrations through an HTTP client of the gateway."""

    def __init__(self, client: httpx.Client, tenant: str) -> None:
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

    def run(self, path: str | None = "model", /, **metrics: float) -> str:
        """The id of a new run with these metrics, and a model file at `path` unless it is None."""
        run = self.mlflow("runs/create", experiment_id="0")["run"]["info"]
        if metrics:
            logged = [
                {"key": name, "value": value, "timestamp": 1, "step": 0}
                for name, value in metrics.items()
            ]
            self.mlflow("runs/log-batch", run_id=run["run_id"], metrics=logged)
        if path is not None:
            root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            put = self.client.put(
                f"/api/mlflow/api/2.0/mlflow-artifacts/artifacts/{root}/{path}/MLmodel",
                content=b"flavors: {}\n",
            )
            assert put.status_code == 200, put.text
        found: str = run["run_id"]
        return found

    def mlflow(self, route: str, **body: Any) -> dict[str, Any]:
        """POST to MLflow's REST API through the gateway."""
        response = self.client.post(f"/api/mlflow/api/2.0/mlflow/{route}", json=body)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def versions(self, condition: str = "") -> list[dict[str, Any]]:
        """The tenant's model versions in MLflow that match a condition."""
        response = self.client.get(
            "/api/mlflow/api/2.0/mlflow/model-versions/search", params={"filter": condition}
        )
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json().get("model_versions", [])
        return found

    def register(self, kind: str, key: str | None = None, **body: Any) -> httpx.Response:
        """POST /api/models/{kind}."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.client.post(f"/api/models/{kind}", json=body, headers=headers)

    def registered(self, kind: str, **body: Any) -> dict[str, Any]:
        """The body of the response to a registration; fails unless it has status 201."""
        response = self.register(kind, **body)
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json()
        return document

    def baseline(self, **metrics: float) -> dict[str, Any]:
        """A new run, registered as a baseline."""
        return self.registered("baseline", run_id=self.run(**metrics), model_type="classification")

    def models(self, **filters: Any) -> list[dict[str, Any]]:
        """The items of GET /api/models."""
        response = self.client.get("/api/models", params=filters)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["items"]
        return found

    def get(self, path: str) -> dict[str, Any]:
        """The JSON body of a GET; fails unless it has status 200."""
        response = self.client.get(path)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document
