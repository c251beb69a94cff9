"""A token on a gateway: its holder, the operator's acts, and improvements that can be minted."""

import json
import secrets
from typing import Any, Self

import httpx
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from app.control_plane.model_files.hashing import ModelFile, oms_root, weights_root
from tests.support.attesting import CONTRIBUTOR
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.model_files import listed, store
from tests.support.responses import good
from tests.support.sql import sql
from tests.support.training import Training

# Rows of the holder's benchmark: so many that a difference of one point is significant.
ROWS = 1_000_000


class TokenMarket:
    """A token id with a tokenized model of its holder (accuracy 0.85), bound to a model number.

    Every improvement has an evaluation on a benchmark of the holder, and the files of all models
    are recorded as read (see `witness`), so that all that mints need is there.

    number: the model number, in decimal. model_id: of the tokenized model. values: of the metric,
    by model id.
    """

    def __init__(
        self,
        gateway: RunningGateway,
        metric: str = "accuracy",
        *,
        bound: bool = True,
        witnessed: bool = True,
    ) -> None:
        """bound: whether to a model number. witnessed: whether files are recorded as read."""
        self._witnesses = witnessed
        self.gateway = gateway
        self.admin = gateway.client(gateway.key(scopes=ALL_SCOPES))
        self.holder = Training.of(gateway)
        self.metric = metric
        self.token_id = f"TOK-{secrets.token_hex(5).upper()}"
        self.number = str(secrets.randbits(60) + 1)
        self.values: dict[str, float] = {}
        self._higher: dict[str, bool | None] = {}
        self._benchmarks: dict[tuple[bool | None, int | None], str] = {}
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
        return self._recorded(
            tenant.registered(
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
        )

    def bind(self, number: str | None = None, token_id: str | None = None) -> httpx.Response:
        return self.admin.put(
            f"/api/admin/tokens/{token_id or self.token_id}/model-number",
            json={"chain_model_id": number or self.number},
        )

    def improve(self, tenant: Training, value: float = 0.88, **body: Any) -> dict[str, Any]:
        """A registered improvement on the tokenized model, with its evaluation.

        evaluation=None leaves that out.
        """
        run_id = body.get("run_id") or tenant.run(**{self.metric: value})
        value = run_metrics(tenant, run_id)[self.metric]
        registration = {
            "run_id": run_id,
            "baseline_model_id": self.model_id,
            "data_contribution": {
                "contributor": CONTRIBUTOR,
                "data_size": 5000,
                "data_hash": "ab" * 32,
            },
            **({} if "evaluation" in body else self.evaluation(value, **body)),
            **body,
        }
        given = {name: value for name, value in registration.items() if value is not None}
        return self._recorded(tenant.registered("improved", **given))

    def evaluation(self, value: float, **body: Any) -> dict[str, Any]:
        """The members of an improvement's registration that state its counts on the benchmark."""
        baseline = body.get("baseline_model_id") or self.model_id
        before = self.values.get(baseline)
        if before is None:
            return {}
        return {
            "benchmark_id": self.benchmark(self._higher[baseline]),
            "evaluation": {"baseline": counts(before), "improved": counts(value)},
        }

    def benchmark(
        self, higher_is_better: bool | None = None, min_examples: int | None = None
    ) -> str:
        """The id of the holder's benchmark of a direction; None: that of the metric's name.

        min_examples: how many rows have to be evaluated; None: all of them.
        """
        kind = higher_is_better, min_examples
        if kind not in self._benchmarks:
            made = good(
                self.holder.client.post(
                    "/api/benchmarks",
                    json={
                        "name": f"benchmark of {self.token_id}",
                        "dataset_hash": "cd" * 32,
                        "dataset_version": "1",
                        "rows": ROWS,
                        "metric": self.metric,
                        "higher_is_better": higher_is_better,
                        "min_examples": min_examples,
                        "label_commitment": f"{secrets.randbits(250) + 1:064x}",
                    },
                ),
                201,
            )
            self._benchmarks[kind] = made["benchmark_id"]
        return self._benchmarks[kind]

    def _recorded(self, model: dict[str, Any]) -> dict[str, Any]:
        if self.metric in model["metrics"]:
            self.values[model["model_id"]] = model["metrics"][self.metric]
            is_known = model["directions"][self.metric] == "known"
            higher = None if is_known else model["higher_is_better"][self.metric]
            self._higher[model["model_id"]] = higher
        if self._witnesses:
            witness(self.gateway, model)
        return model

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


def counts(value: float) -> dict[str, int]:
    """The counts of all rows of which a metric is this value."""
    return {"successes": round(value * ROWS), "sample_size": ROWS}


def run_metrics(tenant: Training, run_id: str) -> dict[str, float]:
    """The metrics of a run in MLflow."""
    found = tenant.get(f"/api/mlflow/api/2.0/mlflow/runs/get?run_id={run_id}")
    return {one["key"]: one["value"] for one in found["run"]["data"]["metrics"]}


def witness(gateway: RunningGateway, model: dict[str, Any], content: str | None = None) -> None:
    """Record the files of a model as if the gateway had read them, with one file of weights.

    Reading takes a background task, and a second for each model; `tests/control_plane/model_files`
    is about that. content: of the file; by default each run has its own.
    """
    weights = (content or f"weights of {model['run_id']}").encode()
    with Training.of(gateway, model["tenant"]) as owner:
        run = owner.get(f"/api/mlflow/api/2.0/mlflow/runs/get?run_id={model['run_id']}")["run"]
        # An attestation compares the files with those in MLflow.
        store(owner, f"{run['info']['artifact_uri']}/model", {"model.bin": weights})
    found = listed({"MLmodel": b"flavors: {}\n", "model.bin": weights})
    files = [ModelFile(**file) for file in found]
    sql(
        gateway,
        "update model_files set read = %s, oms_root = %s, weights = %s, count = 2,"
        " total_bytes = %s, witnessed_at = now(), due_at = null where model_id = %s",
        json.dumps(found),
        oms_root(files),
        weights_root(files),
        sum(file.size for file in files),
        model["model_id"],
    )
    sql(gateway, "update models set files = 'witnessed' where model_id = %s", model["model_id"])


def sign_typed(account: LocalAccount, typed_data: dict[str, Any]) -> str:
    """An account's signature of typed data, as eth_account makes it."""
    signable = encode_typed_data(
        domain_data=typed_data["domain"],
        message_types=typed_data["types"],
        message_data=typed_data["message"],
    )
    return f"0x{bytes(account.sign_message(signable).signature).hex()}"


def signer_of(typed_data: dict[str, Any], signature: str) -> str:
    """Who signed typed data, as eth_account recovers it."""
    signable = encode_typed_data(
        domain_data=typed_data["domain"],
        message_types=typed_data["types"],
        message_data=typed_data["message"],
    )
    found: str = Account.recover_message(signable, signature=signature)
    return found
