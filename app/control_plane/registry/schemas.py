"""What the registration endpoints take, and how a registered model is shown."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from app.control_plane.contributors.shares import (
    Address,
    GivenContribution,
    GivenContributions,
    Share,
)
from app.control_plane.registry.deltas import Delta
from app.control_plane.registry.model_uri import (
    PATH_PATTERN,
    RUN_ID_PATTERN,
    URI_PATTERN,
    check_name,
)
from app.core.errors import UnprocessableError
from app.core.text_pattern import TextPattern
from app.rest.fields import ByLabel, Label
from app.rest.json_values import Document
from app.rest.pagination import Cursor, PageSize

Kind = Literal["baseline", "improved", "tokenized"]
# Differences and sums of numbers below this are finite too.
LARGEST = 1e300


def _bounded(number: float) -> float:
    if abs(number) > LARGEST:
        raise ValueError(f"must lie between -{LARGEST:g} and {LARGEST:g}")
    return number


Number = Annotated[float, Field(strict=True, allow_inf_nan=False), AfterValidator(_bounded)]
Metrics = Annotated[dict[Label, Number], ByLabel]
Directions = Annotated[dict[Label, bool], ByLabel]


def _model_name(text: str) -> str:
    try:
        return check_name(text)
    except UnprocessableError as error:
        raise ValueError(error.message) from None


ModelName = Annotated[Label, AfterValidator(_model_name)]

_TAG = re.compile(r"[\w.\- :]+(?:/[\w.\- :]+)*")


def _tag_key(key: str) -> str:
    if _TAG.fullmatch(key) is None or {".", ".."} & set(key.split("/")):
        raise ValueError(
            "must have only letters, digits, spaces and _ . - : with single / between them"
        )
    if key.lower().startswith(("hokusai.", "mlflow.")):
        raise ValueError("must not begin with hokusai. or mlflow., which are the server's own")
    return key


def _tag_value(value: object) -> object:
    # Numbers and booleans are written as in JSON.
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Tags = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_tag_key)],
        Annotated[
            str,
            BeforeValidator(_tag_value),
            Field(max_length=5000),
            TextPattern(r"^[^\x00]*$", "must not contain the character NUL"),
        ],
    ],
    Field(max_length=100),
]


# Of two fields that may be null, one says which model: what `_one_model` checks.
_ONE_MODEL: list[dict[str, Any]] = [
    {
        "required": [given],
        "properties": {given: {"type": "string"}, other: {"type": "null"}},
    }
    for given, other in (("model_uri", "run_id"), ("run_id", "model_uri"))
]


def _as(pattern: str) -> Any:
    """A pattern said in the document alone: what checks it says it in better words."""
    return Field(json_schema_extra={"pattern": pattern})


def _described(example: dict[str, Any]) -> dict[str, Any]:
    """What a registration's JSON Schema says beyond its fields."""
    return {"examples": [example], "oneOf": _ONE_MODEL}


class _Registration(BaseModel):
    """What all three have: which model in MLflow, and what is said of it."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_uri: Annotated[Label, _as(URI_PATTERN)] | None = Field(
        default=None,
        description="runs:/<run id>/<path>, models:/<name>/<version> or models:/<logged model id>. "
        "Or give run_id.",
        examples=["runs:/5d0f6f8f0b0e4b2b9d2d7b1f4d3c2a10/model"],
    )
    run_id: Annotated[Label, _as(RUN_ID_PATTERN)] | None = Field(
        default=None, description="With artifact_path."
    )
    artifact_path: Annotated[Label, _as(PATH_PATTERN)] = "model"
    metadata: Document = Field(default={}, description="Any JSON; kept as it is.")
    metrics: Metrics | None = Field(
        default=None,
        description="By default the numbers in metadata.metrics, else those at metadata's top "
        "level, else the run's own.",
    )
    primary_metric: Label | None = None
    higher_is_better: Directions = Field(
        default={}, description="Directions of metrics whose names do not tell."
    )

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if (self.model_uri is None) == (self.run_id is None):
            raise ValueError("give either model_uri or run_id")
        return self


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

    model_type: Label = Field(examples=["classification"])
    name: ModelName | None = Field(
        default=None, description="In MLflow; made from the type if not given."
    )
    private: bool = Field(
        default=False, description="Whether only the own tenant may see it and build on it."
    )


class ImprovedRequest(_Registration):
    """A model that improves on another with contributed data."""

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

    model_type: Label | None = Field(default=None, description="The baseline's by default.")
    name: ModelName | None = Field(
        default=None, description="In MLflow; made from the type if not given."
    )
    baseline_model_id: Label
    contributor_address: Address | None = None
    data_contribution: GivenContributions = GivenContribution()

    @property
    def contributions(self) -> list[GivenContribution]:
        """The contributions, also of a single one."""
        given = self.data_contribution
        return given if isinstance(given, list) else [given]


class TokenizedRequest(_Registration):
    """A model behind a Hokusai token."""

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

    model_type: Label | None = None
    model_name: ModelName = Field(description="In MLflow.")
    token_id: Annotated[
        str,
        TextPattern(
            r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            "must be 1 to 64 letters, digits, dots, hyphens and underscores, and begin with a "
            "letter or digit",
        ),
        Field(description="Unique in the registry, whatever its casing."),
    ]
    metric_name: Label
    baseline_value: Number
    additional_tags: Tags = {}

    @property
    def symbol(self) -> str:
        """The token id as the registry compares it."""
        return self.token_id.upper()


RegistrationRequest = BaselineRequest | ImprovedRequest | TokenizedRequest


class Warn(BaseModel):
    """Something that was accepted, and should be looked at."""

    code: str
    message: str


class ModelView(BaseModel):
    """A registered model. Other tenants see it without metadata, tags and warnings."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str = Field(examples=["hkm_6J0v2Yb0T3mXqk1sW9aZ4Q"])
    kind: Kind
    mlflow_name: str
    mlflow_version: str
    run_id: str | None
    mlflow_run_id: str | None = Field(description="The same as run_id.")
    model_uri: str = Field(description="As given.")
    model_type: str | None
    tenant: str
    metrics: dict[str, float]
    primary_metric: str | None
    higher_is_better: dict[str, bool] = Field(description="The direction of each metric.")
    metadata: dict[str, Any]
    private: bool
    baseline_model_id: str | None
    contributors: list[Share]
    delta: dict[str, Delta] = Field(
        description="Against the baseline; of a tokenized model, against baseline_value."
    )
    token_id: str | None
    model_name: str | None
    metric_name: str | None
    baseline_value: float | None
    tags: dict[str, str] = Field(description="Of the version in MLflow.")
    warnings: list[Warn]
    attestations: list[str] = Field(description="Hashes, oldest first.")
    created_at: datetime


class ModelFilter(BaseModel):
    """Which models: all conditions hold together."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind | None = None
    type: Label | None = None
    tenant: Label | None = None
    contributor: Address | None = None
    token: Label | None = Field(default=None, description="A token id, in any casing.")
    name: Label | None = Field(default=None, description="Of the registered model in MLflow.")
    cursor: Cursor = None
    limit: PageSize = 100


class ShortModel(BaseModel):
    """A model as a place in a lineage."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: str
    kind: Kind
    mlflow_name: str
    mlflow_version: str
    model_type: str | None
    tenant: str
    metrics: dict[str, float]
    private: bool
    created_at: datetime


class LineageNode(BaseModel):
    """A model, and the edge from what it improves on."""

    model_config = ConfigDict(protected_namespaces=())

    model: ShortModel
    baseline_model_id: str | None
    delta: dict[str, Delta]
    contributors: list[Share]
    attestations: list[str]


class LineageView(BaseModel):
    """The tree from a first baseline on."""

    root: str
    nodes: list[LineageNode] = Field(
        description="Oldest first, so that each comes after its baseline; at most 1000, and "
        "always those of the path."
    )
    path: list[str] = Field(description="Ids from the first baseline to the model asked for.")
    complete: bool = Field(description="Whether the nodes are all that there are.")
