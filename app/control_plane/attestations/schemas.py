"""What the attestation endpoints take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from app.control_plane.contributors.shares import GivenContribution, GivenContributions
from app.core.text_pattern import TextPattern
from app.rest.fields import ByLabel, Label

Kind = Literal["witnessed", "claimed"]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Metrics = Annotated[dict[Label, Number], ByLabel]
Hash = Annotated[
    str,
    TextPattern(r"^[0-9a-f]{64}$", "must be 64 hexadecimal digits in lower case"),
    Field(examples=["9f" * 32]),
]

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


class ClaimedPair(BaseModel):
    """Claimed metrics of both models."""

    model_config = ConfigDict(extra="forbid")

    baseline: Metrics
    improved: Metrics


def _is_pair(given: object) -> bool:
    """Whether metrics are given of both models: each is an object, where a metric is a number."""
    both = (given.get("baseline"), given.get("improved")) if isinstance(given, dict) else ()
    return isinstance(given, ClaimedPair) or any(isinstance(one, dict) for one in both)


# Which alternative it is decides what is said of it: not what it lacks of the other.
GivenMetrics = Annotated[
    Annotated[Metrics, Tag("object")] | Annotated[ClaimedPair, Tag("ClaimedPair")],
    Discriminator(lambda given: "ClaimedPair" if _is_pair(given) else "object"),
]
ModelVersion = Annotated[
    Annotated[str, Tag("string")] | Annotated[int, Tag("integer")],
    Discriminator(lambda given: "string" if isinstance(given, str) else "integer"),
    Field(examples=["3"]),
]


class AttestationRequest(BaseModel):
    """What to attest: one model, or one and the baseline that it improves on."""

    model_config = ConfigDict(
        extra="forbid", protected_namespaces=(), json_schema_extra={"examples": [_REQUEST]}
    )

    kind: Kind = Field(
        default="witnessed",
        description="`witnessed`: the gateway reads the metrics from MLflow. `claimed`: they are "
        "the caller's own numbers, and the attestation says so.",
    )
    baseline_model_id: Label | None = None
    improved_model_id: Label | None = None
    baseline_run_id: Label | None = None
    improved_run_id: Label | None = None
    model_id: Label | None = Field(
        default=None, description="One model; an improved one brings its baseline with it."
    )
    model_name: Label | None = Field(default=None, description="With `model_version`: one model.")
    model_version: ModelVersion | None = None
    metrics: GivenMetrics | None = Field(
        default=None,
        description="The caller's numbers: of the improved model, or as "
        "`{baseline: {...}, improved: {...}}` of both. Compared with MLflow's where `witnessed`.",
        examples=[{"accuracy": 0.88}],
    )
    data_contribution: GivenContributions | None = Field(
        default=None, description="By default what the registry knows of a registered model."
    )
    primary_metric: Label | None = None
    higher_is_better: Annotated[dict[Label, bool], ByLabel] = Field(
        default={}, description="Directions of metrics whose names do not tell."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        version = (self.model_name, self.model_version)
        if (version[0] is None) != (version[1] is None):
            raise ValueError("model_name and model_version go together")
        improved = [self.improved_model_id, self.improved_run_id, self.model_id, self.model_name]
        if sum(given is not None for given in improved) > 1:
            raise ValueError(
                "give one of improved_model_id, improved_run_id, model_id and model_name"
            )
        baseline = [self.baseline_model_id, self.baseline_run_id]
        if all(given is not None for given in baseline):
            raise ValueError("give one of baseline_model_id and baseline_run_id")
        if self.kind == "claimed":
            if self.metrics is None:
                raise ValueError("kind `claimed` needs metrics")
        elif all(given is None for given in improved):
            raise ValueError(
                "say what to attest: improved_model_id, improved_run_id, model_id, or model_name "
                "with model_version"
            )
        return self

    @property
    def contributions(self) -> list[GivenContribution]:
        """The contributions of the request, one or several."""
        given = self.data_contribution
        if given is None:
            return []
        return given if isinstance(given, list) else [given]

    @property
    def claimed_improved(self) -> dict[str, float]:
        """The caller's numbers of the improved model."""
        if isinstance(self.metrics, ClaimedPair):
            return self.metrics.improved
        return self.metrics or {}

    @property
    def claimed_baseline(self) -> dict[str, float]:
        """The caller's numbers of the baseline."""
        return self.metrics.baseline if isinstance(self.metrics, ClaimedPair) else {}


class SignatureView(BaseModel):
    """EIP-712 typed data and its signature, in the parts that wallet libraries take."""

    signer: str
    signature: str = Field(description="r, s and v: 0x and 130 hexadecimal digits.")
    domain: dict[str, Any]
    types: dict[str, Any]
    primaryType: str  # noqa: N815 - EIP-712's own name
    message: dict[str, Any]


class InclusionView(BaseModel):
    """Where the attestation is in the log, and the proof of it."""

    index: int
    tree_size: int
    proof: list[str] = Field(description="RFC 6962 hashes in hexadecimal, the leaf's side first.")
    entry: str = Field(description="The entry; the leaf's hash is SHA-256 of 0x00 and this.")
    checkpoint: str = Field(description="The signed checkpoint (C2SP) of the tree of `tree_size`.")


class RevocationView(BaseModel):
    """The log entry that revokes an attestation."""

    index: int
    reason: str
    at: datetime


class AttestationView(BaseModel):
    """An attestation, with all that is needed to check it offline."""

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
    data: dict[str, Any]
    text: str = Field(
        serialization_alias="bytes", description="The exact text that was hashed, as UTF-8."
    )
    kind: Kind
    evidence: Kind = Field(description="What the numbers rest on.")
    signature: SignatureView
    eas: dict[str, Any] = Field(description="An EAS off-chain attestation, version 2.")
    log: InclusionView
    proof: None = Field(default=None, description="Kept for a zero-knowledge proof.")
    delta_one: float | None = Field(
        description="Improvement on the primary metric in percentage points."
    )
    revoked: RevocationView | None
    created_at: datetime


class RevokeRequest(BaseModel):
    """Why an attestation is revoked; anyone can read it in the log."""

    model_config = ConfigDict(extra="forbid")

    reason: Label = Field(examples=["The test set leaked into the training data."])


class CheckView(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(from_attributes=True)

    ok: bool | None = Field(description="null where it could not be told.")
    detail: str


class VerificationView(BaseModel):
    """Whether an attestation holds, and what of it."""

    valid: bool
    checks: dict[str, CheckView] = Field(
        description="hash, signature, signer, inclusion, revoked, and eas where there is one; "
        "`revoked` is ok where the attestation was not revoked."
    )


class LogView(BaseModel):
    """The log's newest checkpoint."""

    origin: str
    tree_size: int
    root_hash: str = Field(description="RFC 6962 tree hash, 64 hexadecimal digits.")
    checkpoint: str = Field(description="The signed note, as it is served as text/plain.")
    key: str = Field(description="The key that it is signed with, as C2SP signed-note writes it.")


class LogProofView(BaseModel):
    """A proof about the log: of inclusion (`index`), or of consistency (`first`)."""

    kind: Literal["inclusion", "consistency"]
    index: int | None = None
    first: int | None = None
    tree_size: int = Field(description="The size of the tree, or of the second one.")
    leaf_hash: str | None = None
    first_root_hash: str | None = None
    root_hash: str
    proof: list[str]


class LogEntryView(BaseModel):
    """One entry of the log."""

    index: int
    kind: str = Field(description="`attested` or `revoked`.")
    attestation: str
    entry: str = Field(description="The entry's text.")
    leaf_hash: str


class LogEntriesView(BaseModel):
    """Entries in order; the next ones start at `next`."""

    entries: list[LogEntryView]
    tree_size: int
    next: int | None


class AttestorView(BaseModel):
    """Whose signatures to believe, and over what they are."""

    signer: str
    signers: list[str] = Field(description="All that signed for this log, the newest first.")
    domain: dict[str, Any]
    types: dict[str, Any]
    primaryType: str  # noqa: N815 - EIP-712's own name
    eas: dict[str, Any] = Field(description="Schema and domain of the EAS envelopes.")
    log: dict[str, Any] = Field(description="The log's name, its keys, and where it is.")


class MintRequestView(BaseModel):
    """The chain side's MintRequest, unsigned (`typed_data`) and signed by the attestor."""

    attestation: str
    delta_one: float
    typed_data: dict[str, Any]
    digest: str = Field(description="What was signed: 0x and 64 hexadecimal digits.")
    signatures: list[str] = Field(description="In the order of their signers' addresses.")
    signers: list[str]
    warnings: list[dict[str, str]]
