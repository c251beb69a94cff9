"""What a caller states of an evaluation on a benchmark: in how many rows each model succeeds."""

from collections.abc import Mapping
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, model_validator

from app.control_plane.registry.metric_direction import Direction
from app.core.request.principal import Principal
from app.rest.fields import WholeNumber
from app.rest.request_model import RequestModel

# The most rows that a benchmark has.
MAX_ROWS = 10_000_000

RowCount = Annotated[int, Field(ge=1, le=MAX_ROWS), WholeNumber]
Successes = Annotated[int, Field(ge=0, le=MAX_ROWS), WholeNumber]


class CountRequest(RequestModel):
    """The counts of one model."""

    successes: Successes = Field(
        description="The rows that the metric counts: the right ones for accuracy, the wrong ones "
        "for error_rate.",
        examples=[880],
    )
    sample_size: RowCount = Field(
        description="The rows that were evaluated: the metric is successes / sample_size.",
        examples=[1000],
    )

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.successes > self.sample_size:
            raise ValueError("successes must not be above sample_size")
        return self


class DiscordantRequest(RequestModel):
    """The rows in which only one of the two models has a success."""

    baseline_only: Successes = Field(
        description="Rows that are a success of the baseline only.", examples=[20]
    )
    improved_only: Successes = Field(
        description="Rows that are a success of the improved model only.", examples=[50]
    )


class EvaluationRequest(RequestModel):
    """The counts of both models on one benchmark."""

    baseline: CountRequest
    improved: CountRequest
    discordant: DiscordantRequest | None = Field(
        default=None,
        description="Where it is known, McNemar's exact test is reported as well.",
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        pairs = self.discordant
        if pairs is None:
            return self
        if self.baseline.sample_size != self.improved.sample_size:
            raise ValueError("discordant needs the same sample_size of both models")
        gained = self.improved.successes - self.baseline.successes
        if pairs.improved_only - pairs.baseline_only != gained:
            raise ValueError(
                "discordant must fit the successes: improved_only - baseline_only must be "
                f"{gained}, as improved.successes - baseline.successes is"
            )
        both = self.baseline.successes - pairs.baseline_only
        neither = self.baseline.sample_size - self.baseline.successes - pairs.improved_only
        if both < 0 or neither < 0:
            raise ValueError("discordant must fit the successes: it has more rows than there are")
        return self


class Evaluate(Protocol):
    """Checks stated counts against a benchmark and the metrics of both models.

    directions: which way metrics improve. private: whether only one tenant will see the evaluation,
    as it has to be on a private benchmark. Returns the evaluation as an attestation has it. The
    package of the benchmarks, which is above this one, implements it. Raises NotFoundError for a
    benchmark that the principal may not see, and UnprocessableError.
    """

    async def __call__(
        self,
        principal: Principal,
        benchmark_id: str,
        counts: EvaluationRequest,
        baseline: Mapping[str, float],
        improved: Mapping[str, float],
        *,
        directions: Mapping[str, Direction],
        private: bool,
    ) -> dict[str, Any]: ...
