"""What the gateway answers: mappings whose members are attributes as well.

`result["model_id"]` and `result.model_id` are the same; `dict(result)` can be written as JSON. A
member that a newer gateway adds is there in both ways, too.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping


class Result(Mapping[str, Any]):
    """The members of a JSON object, which cannot be changed through it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    def __getitem__(self, name: str) -> Any:
        return self._document[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def __getattr__(self, name: str) -> Any:
        # Called for what is no method or field. Copying and unpickling ask before there is one.
        if name.startswith("_") or name not in self._document:
            raise AttributeError(f"{type(self).__name__} has no {name!r}")
        return self._document[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._document!r})"


class RegisteredModel(Result):
    """A model in Hokusai's registry. Another tenant's has no metadata, tags or warnings."""

    model_id: str
    kind: str
    mlflow_name: str
    mlflow_version: str
    run_id: str | None
    model_uri: str
    model_type: str | None
    tenant: str
    metrics: dict[str, float]
    primary_metric: str | None
    higher_is_better: dict[str, bool]
    metadata: dict[str, Any]
    private: bool
    baseline_model_id: str | None
    contributors: list[dict[str, Any]]
    delta: dict[str, dict[str, Any]]
    token_id: str | None
    model_name: str | None
    metric_name: str | None
    baseline_value: float | None
    tags: dict[str, str]
    warnings: list[dict[str, str]]
    attestations: list[str]
    created_at: str


class Lineage(Result):
    """The tree from a first baseline on: `path` leads from it to the model that was asked for."""

    root: str
    nodes: list[dict[str, Any]]
    path: list[str]
    complete: bool


class Attestation(Result):
    """An attestation: `kind` is `witnessed`, `claimed`, or `unsigned` where no gateway signed it.

    An unsigned one has `hash`, `bytes`, `data` and `note`, and None for the rest.
    """

    hash: str
    data: dict[str, Any]
    bytes: str
    kind: str
    evidence: str
    signature: dict[str, Any] | None
    eas: dict[str, Any] | None
    log: dict[str, Any] | None
    proof: None
    delta_one: float | None
    revoked: dict[str, Any] | None


class MintRequest(Result):
    """The chain side's MintRequest for an attestation, unsigned and signed."""

    attestation: str
    delta_one: float
    typed_data: dict[str, Any]
    digest: str
    signatures: list[str]
    signers: list[str]
    warnings: list[dict[str, str]]


class Identity(Result):
    """Who the gateway takes the caller for."""

    principal: str
    tenant: str
    scopes: list[str]
    credential: str
    address: str | None
    rate_limit: int


class RateLimit(Result):
    """The caller's limit: `remaining` of `limit` requests for `reset` seconds more."""

    limit: int
    remaining: int
    reset: int
    window: int


__all__ = [
    "Attestation",
    "Identity",
    "Lineage",
    "MintRequest",
    "RateLimit",
    "RegisteredModel",
    "Result",
]
