"""What a caller states of an evaluation on a benchmark.

That is in how many rows each model succeeds, or the score of each row, by the benchmark's family.
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol, Self

from pydantic import Discriminator, FailFast, Field, Tag, field_serializer, model_validator

from app.control_plane.registry.metric_direction import Direction
from app.core.request.principal import Principal
from app.rest.fields import WholeNumber
from app.rest.request_model import RequestModel

# The most rows that a benchmark has.
MAX_ROWS = 10_000_000

# The most rows of a benchmark whose metric is a mean of scores: those of both models are values of
# one document, which may have 20,000.
MAX_SCORES = 8_000
# With scores up to this, an improvement in basis points is a whole number that every reader has.
LARGEST_SCORE = 1e9

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


Score = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST_SCORE, le=LARGEST_SCORE)
]

# One error says enough of thousands of wrong values.
Scores = Annotated[list[Score], FailFast(), Field(min_length=2, max_length=MAX_SCORES)]


class ScoresRequest(RequestModel):
    """The score of each row by one model."""

    scores: Scores = Field(
        description="The score of each row that was evaluated, of which the metric is the mean; if "
        "all rows were, in their order in the test set. Of two rows or more.",
        examples=[[0.75, 0.5, 1.0]],
    )

    @field_serializer("scores", when_used="json")
    def _identified(self, scores: list[float]) -> str:
        """What identifies a request has a hash of them: writing thousands of numbers is slow."""
        return scores_digest(scores)


def scores_digest(scores: Sequence[float]) -> str:
    """SHA-256 of scores, each as a double of IEEE 754 in 8 bytes, big-endian.

    A negative zero counts as zero. Returns 64 hexadecimal digits.
    """
    plain = (score + 0.0 for score in scores)
    return hashlib.sha256(struct.pack(f">{len(scores)}d", *plain)).hexdigest()


def _measured_form(stated: object) -> str:
    has_scores = isinstance(stated, ScoresRequest) or (
        isinstance(stated, dict) and "scores" in stated
    )
    return "ScoresRequest" if has_scores else "CountRequest"


# With the tags, an error is about the form that was sent, and not about both.
MeasuredRequest = Annotated[
    Annotated[CountRequest, Tag("CountRequest")] | Annotated[ScoresRequest, Tag("ScoresRequest")],
    Discriminator(_measured_form),
]


class DiscordantRequest(RequestModel):
    """The rows in which only one of the two models has a success."""

    baseline_only: Successes = Field(
        description="Rows that are a success of the baseline only.", examples=[20]
    )
    improved_only: Successes = Field(
        description="Rows that are a success of the improved model only.", examples=[50]
    )


class EvaluationRequest(RequestModel):
    """The counts, or the scores, of both models on one benchmark."""

    baseline: MeasuredRequest
    improved: MeasuredRequest
    discordant: DiscordantRequest | None = Field(
        default=None,
        description="With counts. Where it is known, McNemar's exact test is reported as well.",
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        counts, pairs = self.counts, self.discordant
        if counts is None:
            if self.scores is None:
                raise ValueError("give counts of both models, or scores of both")
            if pairs is not None:
                raise ValueError("discordant goes with counts: leave it out beside scores")
            return self
        if pairs is None:
            return self
        baseline, improved = counts
        if baseline.sample_size != improved.sample_size:
            raise ValueError("discordant needs the same sample_size of both models")
        gained = improved.successes - baseline.successes
        if pairs.improved_only - pairs.baseline_only != gained:
            raise ValueError(
                "discordant must fit the successes: improved_only - baseline_only must be "
                f"{gained}, as improved.successes - baseline.successes is"
            )
        both = baseline.successes - pairs.baseline_only
        neither = baseline.sample_size - baseline.successes - pairs.improved_only
        if both < 0 or neither < 0:
            raise ValueError("discordant must fit the successes: it has more rows than there are")
        return self

    @property
    def counts(self) -> tuple[CountRequest, CountRequest] | None:
        """The counts of the baseline and of the improved model; None where these are scores."""
        if isinstance(self.baseline, CountRequest) and isinstance(self.improved, CountRequest):
            return self.baseline, self.improved
        return None

    @property
    def scores(self) -> tuple[list[float], list[float]] | None:
        """The scores of the baseline and of the improved model; None where these are counts."""
        if isinstance(self.baseline, ScoresRequest) and isinstance(self.improved, ScoresRequest):
            return self.baseline.scores, self.improved.scores
        return None


class Evaluate(Protocol):
    """Checks what is stated against a benchmark and the metrics of both models.

    directions: which way metrics improve. private: whether only one tenant will see the evaluation,
    as it has to be on a private benchmark. Returns the evaluation as an attestation has it. The
    package of the benchmarks, which is above this one, implements it. Raises NotFoundError for a
    benchmark that the principal may not see, and UnprocessableError.
    """

    async def __call__(
        self,
        principal: Principal,
        benchmark_id: str,
        stated: EvaluationRequest,
        baseline: Mapping[str, float],
        improved: Mapping[str, float],
        *,
        directions: Mapping[str, Direction],
        private: bool,
    ) -> dict[str, Any]: ...
