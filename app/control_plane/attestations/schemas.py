"""Request and response schemas of the attestation endpoints."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from app.control_plane.contributors.shares import (
    Address,
    ContributionRequest,
    Contributions,
    as_list,
)
from app.control_plane.proofs.schemas import ProofRequest
from app.control_plane.registry.evaluation import EvaluationRequest
from app.control_plane.registry.fields import Directions, Metrics
from app.control_plane.transparency_log.models import LogEntry
from app.core.canonical_json import parse
from app.core.json_data import LARGEST_INTEGER
from app.rest.fields import HexDigest, Label, WholeNumber
from app.rest.pagination import PageRequest
from app.rest.request_model import RequestModel

EvidenceKind = Literal["witnessed", "claimed", "proven"]
Hash = Annotated[HexDigest, Field(description="The attestation's hash, 64 hexadecimal digits.")]

_REQUEST: dict[str, Any] = {
    "baseline_run_id": "5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10",
    "improved_run_id": "7c1e9a3c2f6d4c0e8a5b3d9f1e7c6b20",
    "primary_metric": "accuracy",
    "data_contribution": {
        "contributor": "0x742d35Cc6634C0532925a3b844Bc9e7595f62341",
        "data_size": 5000,
        "data_hash": "ab" * 32,
    },
}


class ClaimedPair(RequestModel):
    """The claimed metrics of both models."""

    baseline: Metrics
    improved: Metrics


def _metrics_form(metrics: object) -> str:
    is_pair = isinstance(metrics, ClaimedPair) or (
        isinstance(metrics, dict)
        # The metrics of one model may have these names too, but are numbers.
        and any(isinstance(metrics.get(name), dict) for name in ("baseline", "improved"))
    )
    return "ClaimedPair" if is_pair else "object"


# With the tags, an error is about the form that was sent, and not about both. They are the titles
# or types of the alternatives in the JSON Schema, for `validation_errors`.
ClaimedMetrics = Annotated[
    Annotated[Metrics, Tag("object")] | Annotated[ClaimedPair, Tag("ClaimedPair")],
    Discriminator(_metrics_form),
]


def _version_form(version: object) -> str:
    return "string" if isinstance(version, str) else "integer"


ModelVersion = Annotated[
    Annotated[Label, Tag("string")]
    | Annotated[int, Field(ge=0, le=LARGEST_INTEGER), WholeNumber, Tag("integer")],
    Discriminator(_version_form),
    Field(examples=["3"]),
]


class AttestationRequest(RequestModel):
    """What to attest: one model, or that a model improves on a baseline."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [_REQUEST]})

    kind: EvidenceKind | None = Field(
        default=None,
        description="`witnessed`: only numbers that the gateway has seen in MLflow. `claimed`: the "
        "metrics are the caller's own, and the attestation says so. Default: `witnessed` where the "
        "primary metric was seen of each model, otherwise `claimed`, with the registered numbers. "
        "`proven`: witnessed, with a `proof` of the counts; the default where there is one.",
    )
    baseline_model_id: Label | None = Field(
        default=None, description="The baseline, as a registered model."
    )
    improved_model_id: Label | None = Field(
        default=None, description="The improved model, as a registered model."
    )
    baseline_run_id: Label | None = Field(
        default=None,
        description="The baseline, as an MLflow run of your tenant. The run of a registered model "
        "stands for that model.",
    )
    improved_run_id: Label | None = Field(
        default=None,
        description="The improved model, as an MLflow run of your tenant. The run of a registered "
        "model stands for that model.",
    )
    model_id: Label | None = Field(
        default=None,
        description="A registered model; if it improves on a baseline, that is attested as well.",
    )
    model_name: Label | None = Field(
        default=None, description="A registered model in MLflow; needs model_version."
    )
    model_version: ModelVersion | None = Field(
        default=None, description="The version of model_name."
    )
    metrics: ClaimedMetrics | None = Field(
        default=None,
        description="Your own numbers: of the improved model, or of both as "
        "`{baseline: {...}, improved: {...}}`. Unless the kind is `claimed`, they are compared "
        "with those that are attested.",
        examples=[{"accuracy": 0.88}],
    )
    data_contribution: Contributions | None = Field(
        default=None,
        description="One contribution of data, or a list of them. Those of a registered model are "
        "those of its registration; others are refused.",
    )
    primary_metric: Label | None = Field(
        default=None,
        description="The metric that counts. Default: that of the registered model; else the only "
        "metric, or the first of accuracy, f1_score, f1, auc, roc_auc.",
    )
    higher_is_better: Directions = Field(
        default={},
        description="Whether a higher value is better, for metrics whose names do not show it. "
        "One that contradicts a known name, or the baseline, is refused.",
    )

    benchmark_id: Label | None = Field(
        default=None,
        description="The benchmark on which both models were evaluated; needs `evaluation` or "
        "`proof`. Its metric is the primary_metric. Default: the evaluation of the registration, "
        "if it has one.",
    )
    evaluation: EvaluationRequest | None = Field(
        default=None,
        description="The counts of both models on the benchmark. Where there is a proof, they are "
        "those that it shows.",
    )
    proof: ProofRequest | None = Field(
        default=None,
        description="A zero-knowledge proof of the counts, for labels and predictions that were "
        "committed to before.",
    )

    refresh: bool | None = Field(
        default=None,
        description="Which numbers to attest where MLflow has other values than the registration: "
        "`false` those that were registered; `true` MLflow's, which are recorded beside the "
        "registration. Without it such a request is refused.",
    )
    private: bool | None = Field(
        default=None,
        description="Whether only your tenant may read the attestation. Default: `false` where "
        "each model is registered, and none as private; otherwise `true`.",
    )

    @model_validator(mode="after")
    def _exactly_one_of_each(self) -> Self:
        if (self.model_name is None) != (self.model_version is None):
            raise ValueError("give model_name and model_version together")
        improved = [self.improved_model_id, self.improved_run_id, self.model_id, self.model_name]
        if sum(name is not None for name in improved) > 1:
            raise ValueError(
                "give only one of improved_model_id, improved_run_id, model_id and model_name"
            )
        if self.baseline_model_id is not None and self.baseline_run_id is not None:
            raise ValueError("give only one of baseline_model_id and baseline_run_id")
        has_counts = self.evaluation is not None or self.proof is not None
        if (self.benchmark_id is None) == has_counts:
            raise ValueError("give benchmark_id and evaluation (or proof) together")
        if self.kind == "proven" and self.proof is None:
            raise ValueError("kind `proven` needs a proof")
        if self.proof is not None and self.kind not in (None, "proven"):
            raise ValueError("an attestation with a proof is of the kind `proven`")
        if self.kind == "claimed":
            if self.metrics is None:
                raise ValueError("kind `claimed` needs metrics")
        elif all(name is None for name in improved):
            raise ValueError(
                "give the model to attest: improved_model_id, improved_run_id, model_id, or "
                "model_name with model_version"
            )
        return self

    @property
    def contributions(self) -> list[ContributionRequest]:
        """The contributions of the request: none, one or several."""
        return as_list(self.data_contribution)

    @property
    def claimed_improved(self) -> dict[str, float]:
        """The claimed metrics of the improved model."""
        if isinstance(self.metrics, ClaimedPair):
            return self.metrics.improved
        return self.metrics or {}

    @property
    def claimed_baseline(self) -> dict[str, float]:
        """The claimed metrics of the baseline."""
        return self.metrics.baseline if isinstance(self.metrics, ClaimedPair) else {}


class SignatureView(BaseModel):
    """EIP-712 typed data and its signature, in the parts that wallet libraries take."""

    signer: str = Field(description="The attestor's Ethereum address, in EIP-55 form.")
    signature: str = Field(description="r, s and v: 0x and 130 hexadecimal digits.")
    domain: dict[str, Any]
    types: dict[str, Any]
    primaryType: str  # noqa: N815 - EIP-712's own name
    message: dict[str, Any]


class InclusionView(BaseModel):
    """The attestation's entry in the log, and the proof that the log contains it."""

    index: int = Field(description="The place of the entry in the log, from 0.")
    tree_size: int = Field(description="The size of the log that the proof is for.")
    proof: list[str] = Field(
        description="The hashes of RFC 6962, in hexadecimal; the one next to the leaf comes first."
    )
    entry: str = Field(
        description="The text of the entry. The leaf's hash is SHA-256 of 0x00 and this text."
    )
    checkpoint: str = Field(
        description="The signed checkpoint (C2SP tlog-checkpoint) of the tree of `tree_size`."
    )


class RevocationView(BaseModel):
    """The log entry that revokes an attestation."""

    index: int = Field(description="The place of the entry in the log, from 0.")
    reason: str
    at: datetime

    @classmethod
    def of(cls, entry: LogEntry) -> "RevocationView":
        """The view of a log entry that revokes."""
        return cls(index=entry.index, reason=parse(entry.text)["reason"], at=entry.at)


class AttestationView(BaseModel):
    """An attestation, with everything that is needed to verify it offline."""

    model_config = ConfigDict(
        serialize_by_alias=True,
        json_schema_extra={
            "examples": [
                {
                    "hash": "9f" * 32,
                    "data": {"attestation_type": "performance_improvement", "…": "…"},
                    "bytes": '{"attestation_type": "performance_improvement", …}',
                    "kind": "witnessed",
                    "evidence": "witnessed",
                    "delta_one": 3.0,
                    "log": {"index": 0, "tree_size": 1, "proof": []},
                    "proof": None,
                }
            ]
        },
    )

    hash: str = Field(description="SHA-256 of `bytes`, 64 hexadecimal digits.")
    data: dict[str, Any] = Field(description="`bytes`, parsed.")
    text: str = Field(
        serialization_alias="bytes", description="The exact text that was hashed, as UTF-8."
    )
    kind: EvidenceKind
    evidence: EvidenceKind = Field(
        description="What the metrics rest on: `proven` (read in MLflow, and the counts proven), "
        "`witnessed` (read in MLflow) or `claimed`."
    )
    signature: SignatureView
    eas: dict[str, Any] = Field(
        description="An off-chain attestation of the Ethereum Attestation Service, version 2."
    )
    log: InclusionView
    proof: dict[str, Any] | None = Field(
        default=None,
        description="The zero-knowledge proof of the counts, with its verifying key; of the kind "
        "`proven` only. `data.proof_sha256` is the SHA-256 of its canonical form.",
    )
    delta_one: float | None = Field(
        description="The improvement on the primary metric in percentage points; null where the "
        "metric is not a proportion from 0 to 1."
    )
    revoked: RevocationView | None
    created_at: datetime


class AttestationSummary(BaseModel):
    """An attestation as lists show it."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    hash: str = Field(description="GET /api/attestations/{hash} returns the whole attestation.")
    kind: EvidenceKind
    tenant: str = Field(description="The tenant that requested it.")
    model_id: str | None = Field(description="The improved registered model, or the only one.")
    run_id: str | None = Field(description="The run of that model in MLflow.")
    private: bool = Field(description="Whether only its tenant may see it.")
    is_revoked: bool
    created_at: datetime


class AttestationFilter(PageRequest):
    """Which attestations to list: those that meet all conditions."""

    model_config = ConfigDict(protected_namespaces=())

    tenant: Label | None = Field(default=None, description="The tenant that requested them.")
    model_id: Label | None = Field(default=None, description="The improved, or only, model.")
    run_id: Label | None = Field(default=None, description="The run of that model in MLflow.")
    contributor: Address | None = Field(
        default=None, description="An Ethereum address that they name, in any casing."
    )
    kind: EvidenceKind | None = None


class RevokeRequest(RequestModel):
    """Why an attestation is revoked. The reason becomes public in the log."""

    reason: Label = Field(examples=["The test set leaked into the training data."])


class CheckView(BaseModel):
    """The result of one check."""

    model_config = ConfigDict(from_attributes=True)

    ok: bool | None = Field(description="null where it cannot be determined.")
    detail: str


class VerificationView(BaseModel):
    """Whether an attestation is valid, and the result of each check."""

    valid: bool
    checks: dict[str, CheckView] = Field(
        description="`hash`, `signature`, `signer`, `inclusion`, `revoked`, and `eas` where the "
        "document has an envelope. `revoked` is ok where the attestation was not revoked."
    )
    unsigned: list[str] = Field(
        description="Members of the document that no signature covers and no check looks at, at "
        "most 20: anybody can have added them."
    )


class AttestorView(BaseModel):
    """Whose signatures to trust, and what is signed."""

    signer: str = Field(description="The address of the attestor in use.")
    signers: list[str] = Field(
        description="The addresses of all attestors of this log, the newest first."
    )
    domain: dict[str, Any]
    types: dict[str, Any]
    primaryType: str  # noqa: N815 - EIP-712's own name
    eas: dict[str, Any] = Field(description="The schema and domain of the EAS envelopes.")
    log: dict[str, Any] = Field(description="The log's name, its keys, and its path.")
    envelopes: dict[str, Any] = Field(
        description="The keys (P-256, in PEM) that sign bundles and models, the newest first."
    )
    circuits: list[str] = Field(
        description="The identifiers of the circuits whose proofs are accepted."
    )
