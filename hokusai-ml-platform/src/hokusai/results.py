"""What the gateway answers: mappings whose members are attributes as well.

`result["model_id"]` and `result.model_id` are the same; `dict(result)` can be written as JSON. A
member that a newer gateway adds is there in both ways, too.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional


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
    run_id: Optional[str]
    model_uri: str
    model_type: Optional[str]
    tenant: str
    metrics: Dict[str, float]
    primary_metric: Optional[str]
    higher_is_better: Dict[str, bool]
    metadata: Dict[str, Any]
    private: bool
    baseline_model_id: Optional[str]
    contributors: List[Dict[str, Any]]
    delta: Dict[str, Dict[str, Any]]
    token_id: Optional[str]
    model_name: Optional[str]
    metric_name: Optional[str]
    baseline_value: Optional[float]
    tags: Dict[str, str]
    warnings: List[Dict[str, str]]
    attestations: List[str]
    created_at: str


class Lineage(Result):
    """The tree from a first baseline on: `path` leads from it to the model that was asked for."""

    root: str
    nodes: List[Dict[str, Any]]
    path: List[str]
    complete: bool


class Attestation(Result):
    """An attestation: `kind` is `witnessed`, `claimed`, or `unsigned` where no gateway signed it.

    An unsigned one has `hash`, `bytes`, `data` and `note`, and None for the rest.
    """

    hash: str
    data: Dict[str, Any]
    bytes: str
    kind: str
    evidence: str
    signature: Optional[Dict[str, Any]]
    eas: Optional[Dict[str, Any]]
    log: Optional[Dict[str, Any]]
    proof: None
    delta_one: Optional[float]
    revoked: Optional[Dict[str, Any]]


class MintRequest(Result):
    """The chain side's MintRequest for an attestation, unsigned and signed."""

    attestation: str
    delta_one: float
    typed_data: Dict[str, Any]
    digest: str
    signatures: List[str]
    signers: List[str]
    warnings: List[Dict[str, str]]


class Identity(Result):
    """Who the gateway takes the caller for."""

    principal: str
    tenant: str
    scopes: List[str]
    credential: str
    address: Optional[str]
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
