"""Request and response schemas of the benchmark endpoints."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.control_plane.benchmarks.fields import Commitment, DatasetHash
from app.control_plane.registry.evaluation import MAX_SCORES, RowCount
from app.control_plane.registry.fields import Number
from app.rest.fields import Label
from app.rest.pagination import PageRequest
from app.rest.request_model import RequestModel

MAX_GUARDRAILS = 20
# true or false, and not 1 or "yes": a wrong value would stand for ever.
Flag = Annotated[bool, Field(strict=True)]
MetricFamily = Literal["proportion", "continuous", "zero_inflated_continuous", "rank_or_ordinal"]


class GuardrailRequest(RequestModel):
    """A further metric that an improvement must not make much worse."""

    metric: Label = Field(examples=["latency_ms"])
    higher_is_better: Flag | None = Field(
        default=None,
        description="Whether a higher value is better; may be left out where the name shows it.",
    )
    max_worsening: Annotated[Number, Field(ge=0)] = Field(
        description="By how much the value may get worse, in its own unit. 0: not at all.",
        examples=[5.0],
    )


class BenchmarkRequest(RequestModel):
    """A test set, the metric that counts on it, and a commitment to its labels."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "churn-2026",
                    "dataset_hash": "ab" * 32,
                    "dataset_version": "2026-11",
                    "split": "test",
                    "rows": 1024,
                    "metric": "accuracy",
                    "label_commitment": "1f" * 32,
                }
            ]
        }
    )

    name: Label = Field(examples=["churn-2026"])
    dataset_hash: DatasetHash = Field(
        description="The SHA-256 of the data set, with or without `sha256:` before it."
    )
    dataset_version: Label = Field(examples=["2026-11"])
    split: Label = Field(default="test", description="Which part of the data set.")
    rows: RowCount = Field(description="How many rows it has.", examples=[1024])
    metric: Label = Field(
        description="The metric that counts, as models have it: successes / rows, or the mean of "
        "the scores of the rows.",
        examples=["accuracy"],
    )
    metric_family: MetricFamily = Field(
        default="proportion",
        description="How improvements are judged: `proportion` by a test of two proportions, from "
        "counts; the others from the score of each row, of at most "
        f"{MAX_SCORES:,} rows: `continuous` and `zero_inflated_continuous` by Welch's t test, "
        "`rank_or_ordinal` by the test of Mann and Whitney.",
    )
    higher_is_better: Flag | None = Field(
        default=None,
        description="Whether a higher value is better; may be left out where the metric's name "
        "shows it, and must not contradict that.",
    )
    guardrails: list[GuardrailRequest] = Field(
        default=[],
        max_length=MAX_GUARDRAILS,
        description="Metrics that an accepted improvement must not make much worse.",
    )
    min_examples: RowCount | None = Field(
        default=None,
        description="How many rows have to be evaluated, at least. Default: all of them.",
    )
    label_commitment: Commitment = Field(
        description="A salted Poseidon commitment to the labels, which binds their number: an "
        "element of BN254's scalar field, as 64 hexadecimal digits."
    )
    label_holder: Label | None = Field(
        default=None,
        description="Who holds the labels, in your words. Default: your tenant.",
    )
    private: Flag = Field(
        default=False, description="Whether only your tenant may see the benchmark and use it."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.min_examples is not None and self.min_examples > self.rows:
            raise ValueError("min_examples must not be above rows")
        if self.metric_family != "proportion" and self.rows > MAX_SCORES:
            raise ValueError(
                f"rows must be at most {MAX_SCORES:,} for the family {self.metric_family}, whose "
                "evaluations have the score of each row"
            )
        metrics = [self.metric, *(one.metric for one in self.guardrails)]
        if len(set(metrics)) != len(metrics):
            raise ValueError("guardrails must be of other metrics than `metric`, each given once")
        return self


class Guardrail(BaseModel):
    """A metric that an accepted improvement must not make much worse."""

    metric: str
    higher_is_better: bool
    max_worsening: float = Field(description="In the metric's own unit.")


class LabelReleaseView(BaseModel):
    """When the log noted that the labels have left their holder."""

    model_config = ConfigDict(from_attributes=True)

    log_index: int
    at: datetime


class BenchmarkSummary(BaseModel):
    """A benchmark as lists show it."""

    model_config = ConfigDict(from_attributes=True)

    benchmark_id: str = Field(examples=["hkb_6J0v2Yb0T3mXqk1sW9aZ4Q"])
    name: str
    dataset_hash: str = Field(description="SHA-256 of the data set, 64 hexadecimal digits.")
    dataset_version: str
    split: str
    rows: int
    metric: str
    metric_family: MetricFamily = Field(description="How improvements are judged.")
    higher_is_better: bool
    guardrails: list[Guardrail]
    min_examples: int = Field(description="How many rows have to be evaluated, at least.")
    label_commitment: str
    label_holder: str
    tenant: str = Field(description="Who registered it.")
    private: bool = Field(description="Whether only its tenant may see it.")
    record_sha256: str = Field(
        description="SHA-256 of the benchmark's record, which its entry in the log has."
    )
    log_index: int = Field(description="The place of its entry in the log, from 0.")
    created_at: datetime


class BenchmarkView(BenchmarkSummary):
    """A benchmark, with the record that the log vouches for."""

    record: str = Field(description="The exact text of the record that was hashed, as UTF-8.")
    labels_released: LabelReleaseView | None = Field(
        description="null while the labels are with their holder alone."
    )


class BenchmarkFilter(PageRequest):
    """Which benchmarks to list: those that meet all conditions."""

    name: Label | None = Field(default=None, description="The benchmark's name.")
    dataset_hash: DatasetHash | None = Field(
        default=None, description="The SHA-256 of the data set."
    )
    metric: Label | None = Field(default=None, description="The metric that counts.")
    tenant: Label | None = Field(default=None, description="Who registered it.")


class PredictionsRequest(RequestModel):
    """A commitment to the predictions of one model."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [{"model_id": "hkm_6J0v2Yb0T3mXqk1sW9aZ4Q", "commitment": "1f" * 32}]
        },
    )

    model_id: Label = Field(description="A registered model of your tenant.")
    commitment: Commitment = Field(
        description="A salted Poseidon commitment to the model's predictions, in the order of the "
        "rows, which binds their number: 64 hexadecimal digits."
    )


class PredictionsView(BaseModel):
    """A commitment to a model's predictions on a benchmark."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    predictions_id: str = Field(examples=["hkp_6J0v2Yb0T3mXqk1sW9aZ4Q"])
    benchmark_id: str
    model_id: str
    tenant: str
    private: bool = Field(description="Whether only its tenant may see it.")
    commitment: str
    files: dict[str, Any] | None = Field(
        description="The digests of the model's files at that time; null where there are none."
    )
    record: str = Field(description="The exact text of the record that was hashed, as UTF-8.")
    record_sha256: str = Field(description="SHA-256 of the record, which the log has.")
    log_index: int = Field(description="The place of its entry in the log, from 0.")
    created_at: datetime


class PredictionsFilter(PageRequest):
    """Which commitments to list."""

    model_config = ConfigDict(protected_namespaces=())

    model_id: Label | None = Field(default=None, description="Of one model.")
