"""A tenant that has models in MLflow, made through the gateway with as few requests as will do."""

import secrets
from typing import Any, Self

import httpx

from tests.support.gateway import RunningGateway


class Training:
    """Trains through a client of the gateway: runs with metrics, and a model's files."""

    def __init__(self, client: httpx.Client, tenant: str) -> None:
        self.client = client
        self.tenant = tenant

    @classmethod
    def of(cls, gateway: RunningGateway, tenant: str | None = None) -> "Training":
        """A new tenant with all scopes but admin, unless one is named."""
        tenant = tenant or f"t-{secrets.token_hex(6)}"
        return cls(gateway.client(gateway.key(tenant)), tenant)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def run(self, path: str | None = "model", /, **metrics: float) -> str:
        """The id of a new run with these metrics, and with the files of a model at `path`."""
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
        answer = self.client.post(f"/api/mlflow/api/2.0/mlflow/{route}", json=body)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def versions(self, condition: str = "") -> list[dict[str, Any]]:
        """The versions in MLflow, of all of the tenant's models."""
        answer = self.client.get(
            "/api/mlflow/api/2.0/mlflow/model-versions/search", params={"filter": condition}
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json().get("model_versions", [])
        return found

    def register(self, kind: str, key: str | None = None, **body: Any) -> httpx.Response:
        """POST /api/models/{kind}."""
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.client.post(f"/api/models/{kind}", json=body, headers=headers)

    def registered(self, kind: str, **body: Any) -> dict[str, Any]:
        """The answer to a registration that succeeds."""
        answer = self.register(kind, **body)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def baseline(self, **metrics: float) -> dict[str, Any]:
        """A new run, registered as a baseline."""
        return self.registered("baseline", run_id=self.run(**metrics), model_type="classification")

    def models(self, **wanted: Any) -> list[dict[str, Any]]:
        """GET /api/models."""
        answer = self.client.get("/api/models", params=wanted)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def get(self, path: str) -> dict[str, Any]:
        """The document at a path of the gateway's."""
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document
