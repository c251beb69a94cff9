"""Where a registered metric comes from: seen in MLflow, or given by the caller."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# MLflow and its database keep a double unchanged; this allows for one that was printed with fewer
# digits.
RELATIVE_TOLERANCE = 1e-9


class MetricSource(BaseModel):
    """Where the value of one registered metric comes from."""

    model_config = ConfigDict(frozen=True)

    source: Literal["seen", "given"] = Field(
        description="`seen`: the run in MLflow had this value at the time `at`. `given`: it did "
        "not, and the value is the caller's own."
    )
    at: datetime = Field(description="When the run was read, or the value was given.")
    in_mlflow: float | None = Field(
        default=None, description="The run's value at that time, where it is another one."
    )


def metric_sources(
    registered: Mapping[str, float], in_mlflow: Mapping[str, float], at: datetime
) -> dict[str, MetricSource]:
    """The source of each registered metric. in_mlflow: the metrics of the run at the time `at`."""
    return {name: _source(value, in_mlflow.get(name), at) for name, value in registered.items()}


def is_same(one: float, other: float) -> bool:
    """Whether two numbers are the same value of a metric."""
    return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE)


def _source(value: float, in_mlflow: float | None, at: datetime) -> MetricSource:
    if in_mlflow is not None and is_same(value, in_mlflow):
        return MetricSource(source="seen", at=at)
    # JSON has no number for one that is not finite.
    other = in_mlflow if in_mlflow is not None and math.isfinite(in_mlflow) else None
    return MetricSource(source="given", at=at, in_mlflow=other)
