"""Request and response schemas of the model registry."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.control_plane.contributors.shares import (
    Address,
    ContributionRequest,
    Contributions,
    Share,
    ShareSummary,
    as_list,
)
from app.control_plane.registry.deltas import Delta
from app.control_plane.registry.evaluation import EvaluationRequest
from app.control_plane.registry.fields import (
    Directions,
    Metrics,
    ModelName,
    Number,
    Tags,
    TokenId,
    documented_pattern,
)
from app.control_plane.registry.file_list import FileList
from app.control_plane.registry.metric_direction import DirectionSource
from app.control_plane.registry.metric_source import MetricSource
from app.control_plane.registry.model_uri import PATH_PATTERN, RUN_ID_PATTERN, URI_PATTERN
from app.rest.fields import Label
from app.rest.json_values import Document
from app.rest.pagination import PageRequest
from app.rest.request_model import RequestModel

ModelKind = Literal["baseline", "improved", "tokenized"]
# What is known of a model's files.
FilesState = Literal["pending", "claimed", "witnessed", "differs", "failed"]
ModelOrder = Literal["newest", "highest", "lowest", "improvement"]

# For JSON Schema: of `model_uri` and `run_id` one is a string and the other null, as
# `_exactly_one_model` checks.
_ONE_MODEL: list[dict[str, Any]] = [
    {
        "required": [present],
        "properties": {present: {"type": "string"}, absent: {"type": "null"}},
    }
    for present, absent in (("model_uri", "run_id"), ("run_id", "model_uri"))
]


def _described(example: dict[str, Any]) -> dict[str, Any]:
    """What a registration's JSON Schema says beyond its fields."""
    return {"examples": [example], "oneOf": _ONE_MODEL}


class _Registration(RequestModel):
    """What all three registrations have: a model in MLflow, and statements about it."""

    model_config = ConfigDict(protected_namespaces=())

    model_uri: Annotated[Label, documented_pattern(URI_PATTERN)] | None = Field(
        default=None,
        description="The model in MLflow: runs:/<run id>/<path>, models:/<name>/<version> or "
        "models:/<logged model id>. Give either this or run_id.",
        examples=["runs:/5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10/model"],
    )
    run_id: Annotated[Label, documented_pattern(RUN_ID_PATTERN)] | None = Field(
        default=None, description="The MLflow run that logged the model; see artifact_path."
    )
    artifact_path: Annotated[Label, documented_pattern(PATH_PATTERN)] = Field(
        default="model", description="The model's path in the run of run_id."
    )
    metadata: Document = Field(
        default={},
        description="Any JSON object of at most 64 KiB; kept unchanged and shown to your tenant "
        "only.",
    )
    metrics: Metrics | None = Field(
        default=None,
        description="Default: the numbers in metadata.metrics, else the numbers at the top level "
        "of metadata, else the metrics of the run.",
    )
    primary_metric: Label | None = Field(
        default=None, description="The metric that counts, one of the metrics."
    )
    higher_is_better: Directions = Field(
        default={},
        description="Whether a higher value is better, for metrics whose names do not show it. "
        "One that contradicts a known name, or the baseline, is refused.",
    )
    files: FileList | None = Field(
        default=None,
        description="The files of the model as they were before they went up, sorted by path. "
        "The gateway reads what is in MLflow and compares.",
    )
    share_files: bool = Field(
        default=False,
        description="Whether every tenant that may read the model may download its files.",
    )

    @model_validator(mode="after")
    def _exactly_one_model(self) -> Self:
        if (self.model_uri is None) == (self.run_id is None):
            raise ValueError("give either model_uri or run_id")
        return self


_Name = Annotated[
    ModelName | None,
    Field(
        description="The registered model in MLflow. Default: for an improvement on an own model "
        "the name of that one, to which a version is added; otherwise derived from model_type."
    ),
]


class BaselineRequest(_Registration):
    """A model that others can improve on."""

    model_config = ConfigDict(
        json_schema_extra=_described(
            {
                "run_id": "5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10",
                "artifact_path": "model",
                "model_type": "churn_prediction",
                "metadata": {"dataset": "customers_v1", "metrics": {"accuracy": 0.85}},
            }
        )
    )

    model_type: Label = Field(
        description="What the model does, in your words.", examples=["classification"]
    )
    name: _Name = None
    private: bool = Field(
        default=False,
        description="Whether only your tenant may see the model and register improvements on it.",
    )


class ImprovedRequest(_Registration):
    """A model that improves on a registered one with contributed data."""

    model_config = ConfigDict(
        json_schema_extra=_described(
            {
                "run_id": "7c1e9a3c2f6d4c0e8a5b3d9f1e7c6b20",
                "baseline_model_id": "hkm_6J0v2Yb0T3mXqk1sW9aZ4Q",
                "contributor_address": "0x742d35Cc6634C0532925a3b844Bc9e7595f62341",
                "data_contribution": {"samples": 5000, "data_hash": "ab" * 32},
                "metrics": {"accuracy": 0.88},
            }
        )
    )

    model_type: Label | None = Field(
        default=None, description="Default: the model_type of the baseline."
    )
    name: _Name = None
    baseline_model_id: Label = Field(description="The registered model that it improves on.")
    contributor_address: Address | None = Field(
        default=None, description="The contributor of each contribution that names none."
    )
    data_contribution: Contributions = Field(
        default=ContributionRequest(), description="One contribution of data, or a list of them."
    )
    benchmark_id: Label | None = Field(
        default=None,
        description="The benchmark on which both models were evaluated; needs `evaluation`. Its "
        "metric becomes the primary_metric.",
    )
    evaluation: EvaluationRequest | None = Field(
        default=None, description="The counts of both models on the benchmark."
    )

    @model_validator(mode="after")
    def _benchmark_with_counts(self) -> Self:
        if (self.benchmark_id is None) != (self.evaluation is None):
            raise ValueError("give benchmark_id and evaluation together")
        return self

    @property
    def contributions(self) -> list[ContributionRequest]:
        """The contributions, one or several."""
        return as_list(self.data_contribution)


class TokenizedRequest(_Registration):
    """A version of the model behind a Hokusai token."""

    model_config = ConfigDict(
        json_schema_extra=_described(
            {
                "model_uri": "runs:/5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10/model",
                "model_name": "CUSTOMER-CHURN",
                "token_id": "customer-churn",
                "metric_name": "f1_score",
                "baseline_value": 0.75,
                "additional_tags": {"environment": "production", "version": "2.0"},
            }
        )
    )

    model_type: Label | None = Field(
        default=None, description="What the model does, in your words."
    )
    model_name: ModelName = Field(description="The registered model in MLflow.")
    token_id: TokenId = Field(
        description="The token. It belongs to the tenant that registers it first, unless the "
        "operator has reserved it; upper and lower case are the same.",
    )
    metric_name: Label = Field(description="The metric that baseline_value is a value of.")
    baseline_value: Number = Field(description="The value that the model is compared with.")
    additional_tags: Tags = Field(
        default={}, description="Tags for the version in MLflow, besides the gateway's own."
    )

    @property
    def symbol(self) -> str:
        """The token id in the form in which token ids are compared."""
        return self.token_id.upper()


RegistrationRequest = BaselineRequest | ImprovedRequest | TokenizedRequest


class RegistrationWarning(BaseModel):
    """Something in a registration that was accepted and should be looked at."""

    code: str = Field(description="For programs.")
    message: str = Field(description="For people.")


class WithdrawRequest(RequestModel):
    """Why a registration is withdrawn. Everyone who can see the model can see the reason."""

    reason: Label = Field(examples=["The shares of the contributors were wrong."])


class WithdrawalView(BaseModel):
    """When and why a registration was withdrawn."""

    at: datetime
    reason: str


class ModelSummary(BaseModel):
    """A registered model as lists show it."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str = Field(examples=["hkm_6J0v2Yb0T3mXqk1sW9aZ4Q"])
    kind: ModelKind
    mlflow_name: str = Field(description="The registered model in MLflow.")
    mlflow_version: str = Field(description="Its version in MLflow.")
    run_id: str | None = Field(description="The run in MLflow that made the model, if any.")
    mlflow_run_id: str | None = Field(description="The same as run_id.")
    model_uri: str = Field(description="As it was registered.")
    model_type: str | None
    tenant: str = Field(description="The owner of the model.")
    metrics: dict[str, float]
    primary_metric: str | None
    higher_is_better: dict[str, bool] = Field(
        description="For each metric, whether a higher value is better."
    )
    directions: dict[str, DirectionSource] = Field(
        description="For each metric, how its direction is known: `known` from its name, `said` "
        "in a registration, or `guessed`."
    )
    private: bool = Field(description="Whether only its tenant may see it.")
    baseline_model_id: str | None = Field(description="The model that it improves on.")
    contributors: Sequence[ShareSummary]
    delta: dict[str, Delta] = Field(
        description="The differences from the baseline, by metric; for a tokenized model, the "
        "difference from baseline_value."
    )
    token_id: str | None
    model_name: str | None
    metric_name: str | None
    baseline_value: float | None
    files: FilesState = Field(
        description="What is known of the model's files. `witnessed`: the gateway has read them in "
        "MLflow; `pending`: it is still to read them; `claimed`: its registration lists them, and "
        "the gateway has not read them; `differs`: they are not those that the registration lists, "
        "so that nothing is attested of the model; `failed`: they could not be read. "
        "GET /api/models/{model_id}/files has the list and the reason."
    )
    share_files: bool = Field(
        description="Whether every tenant that may read the model may download its files."
    )
    created_at: datetime
    gone_at: datetime | None = Field(
        description="When the gateway noticed that its version was deleted in MLflow; null for one "
        "that exists."
    )
    withdrawn: WithdrawalView | None = Field(
        description="null for a model whose registration stands."
    )


class ModelView(ModelSummary):
    """A registered model. Other tenants see it without metadata, tags and warnings."""

    contributors: Sequence[Share]
    metric_sources: dict[str, MetricSource] = Field(
        description="For each metric, whether the gateway saw it in MLflow or it was given."
    )
    evaluation: dict[str, Any] | None = Field(
        description="Of both models on a benchmark: the counts, and whether the improvement is "
        "accepted; null for a model without one."
    )
    metadata: dict[str, Any]
    tags: dict[str, str] = Field(description="The tags of the version in MLflow.")
    warnings: list[RegistrationWarning]
    attestations: list[str] = Field(
        description="Hashes of its newest attestations, oldest first, at most 20. "
        "GET /api/attestations?model_id= lists all of them."
    )


class ModelFilter(PageRequest):
    """Which models to list: those that meet all conditions."""

    kind: ModelKind | None = None
    type: Label | None = Field(default=None, description="The model_type.")
    tenant: Label | None = Field(default=None, description="The owner of the model.")
    contributor: Address | None = Field(
        default=None, description="A contributor's Ethereum address, in any casing."
    )
    token: Label | None = Field(default=None, description="A token id, in any casing.")
    name: Label | None = Field(default=None, description="The registered model in MLflow.")
    run_id: Label | None = Field(default=None, description="The run that made the model.")
    metric: Label | None = Field(default=None, description="The primary_metric.")
    sort: ModelOrder = Field(
        default="newest",
        description="`highest` or `lowest`: by the value of `metric`, which has to be given. "
        "`improvement`: by how much `metric` became better than that of the baseline, of those "
        "models that have one.",
    )


class LineageModel(BaseModel):
    """A model in a lineage tree."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str
    kind: ModelKind
    mlflow_name: str
    mlflow_version: str
    model_type: str | None
    tenant: str
    metrics: dict[str, float]
    private: bool
    created_at: datetime
    gone_at: datetime | None = Field(
        description="When the gateway noticed that its version was deleted in MLflow."
    )
    withdrawn: WithdrawalView | None = Field(
        description="null for a model whose registration stands."
    )


class LineageNode(BaseModel):
    """A model, and how it improves on its baseline."""

    model_config = ConfigDict(protected_namespaces=())

    model: LineageModel
    baseline_model_id: str | None = Field(description="null for the first baseline.")
    delta: dict[str, Delta] = Field(description="The differences from the baseline, by metric.")
    contributors: list[ShareSummary]
    attestations: list[str] = Field(
        description="Hashes of its newest attestations, oldest first, at most 20."
    )


class LineageView(BaseModel):
    """The tree of improvements on a first baseline."""

    root: str = Field(description="The id of the first baseline.")
    nodes: list[LineageNode] = Field(
        description="Oldest first, so that each model comes after its baseline. The first page "
        "also has the last 10 models of `path`, wherever they are in the tree."
    )
    path: list[str] = Field(description="The ids from the first baseline to the requested model.")
    complete: bool = Field(description="Whether `nodes` holds the whole tree.")
    next: str | None = Field(description="The cursor of the next page, if there is one.")
