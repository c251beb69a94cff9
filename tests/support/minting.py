"""A token on a gateway: its holder, the operator's acts, and improvements that could be minted."""

import secrets
from typing import Any, Self

import httpx

from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good
from tests.support.trainer import CONTRIBUTOR
from tests.support.training import Training


class TokenMarket:
    """A token id with a tokenized model of its holder (accuracy 0.85), bound to a model number.

    number: the model number, in decimal. model_id: of the tokenized model.
    """

    def __init__(self, gateway: RunningGateway, metric: str = "accuracy", *, bound: bool = True):
        self.gateway = gateway
        self.admin = gateway.client(gateway.key(scopes=ALL_SCOPES))
        self.holder = Training.of(gateway)
        self.metric = metric
        self.token_id = f"TOK-{secrets.token_hex(5).upper()}"
        self.number = str(secrets.randbits(60))
        self.model_id = self.tokenize(self.holder, 0.85)["model_id"]
        if bound:
            good(self.bind())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.admin.close()
        self.holder.client.close()

    def tokenize(self, tenant: Training, value: float, **body: Any) -> dict[str, Any]:
        """A new run of a tenant, registered under the token id."""
        return tenant.registered(
            "tokenized",
            **{
                "model_uri": f"runs:/{tenant.run(**{self.metric: value})}/model",
                "model_name": self.token_id,
                "token_id": self.token_id,
                "metric_name": self.metric,
                "baseline_value": 0.5,
                **body,
            },
        )

    def bind(self, number: str | None = None, token_id: str | None = None) -> httpx.Response:
        return self.admin.put(
            f"/api/admin/tokens/{token_id or self.token_id}/model-number",
            json={"chain_model_id": number or self.number},
        )

    def improve(self, tenant: Training, value: float = 0.88, **body: Any) -> dict[str, Any]:
        """A registered improvement on the tokenized model."""
        run_id = body.pop("run_id", None) or tenant.run(**{self.metric: value})
        return tenant.registered(
            "improved",
            **{
                "run_id": run_id,
                "baseline_model_id": self.model_id,
                "data_contribution": {
                    "contributor": CONTRIBUTOR,
                    "data_size": 5000,
                    "data_hash": "ab" * 32,
                },
                **body,
            },
        )

    def attested(self, tenant: Training, value: float = 0.88, **body: Any) -> dict[str, Any]:
        """The attestation of a new improvement."""
        return attest(tenant, self.improve(tenant, value, **body)["model_id"])

    def approve(self, **body: Any) -> httpx.Response:
        """An approval by the holder."""
        return self.holder.client.post(
            "/api/mint-approvals", json={"token_id": self.token_id, **body}
        )


def attest(tenant: Training, model_id: str, key: str | None = None, **body: Any) -> dict[str, Any]:
    """A new attestation of a registered model."""
    headers = {"Idempotency-Key": key or secrets.token_hex(8)}
    document: dict[str, Any] = good(
        tenant.client.post(
            "/api/attestations", json={"model_id": model_id, **body}, headers=headers
        ),
        201,
    )
    return document


def mint(tenant: Training, attestation: dict[str, Any], **body: Any) -> httpx.Response:
    return tenant.client.post(
        f"/api/attestations/{attestation['hash']}/mint-request", json=body or None
    )
