"""The scores of two models on the rows of a test set, and what is kept of them.

An attestation has no scores: it has their number, mean, standard deviation and zeros, a hash of
them, and what a test of ranks needs of both. All is computed exactly, and then rounded to a double
once.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from app.control_plane.benchmarks.tail_probabilities import DIGITS, decimal_of
from app.control_plane.registry.evaluation import scores_digest


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """What is kept of the scores of one model.

    mean: rounded to a double. standard_deviation: of a sample (n - 1), rounded likewise. zeros: how
    many scores are zero. scores_sha256: see `scores_digest`.
    """

    sample_size: int
    mean: float
    standard_deviation: float
    zeros: int
    scores_sha256: str


@dataclass(frozen=True, slots=True)
class Differences:
    """Of each row the improved model's score less the baseline's: `higher` and `lower` count them.

    A higher score is not always a better one.
    """

    mean: float
    standard_deviation: float
    higher: int
    lower: int


@dataclass(frozen=True, slots=True)
class Ranks:
    """What the test of Mann and Whitney needs.

    u: the pairs of a row of each model in which the improved model has the higher score, and half
    of those in which both have the same. tie_term: the sum of t³ - t over all groups of t equal
    scores, of both models together.
    """

    u: float
    tie_term: int


@dataclass(frozen=True, slots=True)
class ScoreComparison:
    """What is kept of the scores of both models.

    by_row: None where the models do not have a score for each row of the benchmark.
    """

    baseline: ScoreSummary
    improved: ScoreSummary
    by_row: Differences | None
    ranks: Ranks

    def data(self) -> dict[str, Any]:
        """As a part of an attestation's data."""
        return asdict(self)

    @classmethod
    def of(
        cls, baseline: Sequence[float], improved: Sequence[float], rows: int
    ) -> "ScoreComparison":
        """Of the scores of both models, two or more each. rows: of the benchmark."""
        is_by_row = len(baseline) == len(improved) == rows
        return cls(
            _summary(baseline),
            _summary(improved),
            _differences(baseline, improved) if is_by_row else None,
            _ranks(baseline, improved),
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "ScoreComparison":
        """From what `data` returned."""
        return cls(
            ScoreSummary(**data["baseline"]),
            ScoreSummary(**data["improved"]),
            data["by_row"] and Differences(**data["by_row"]),
            Ranks(**data["ranks"]),
        )


def _summary(scores: Sequence[float]) -> ScoreSummary:
    mean, deviation = _moments(*_whole(scores))
    return ScoreSummary(
        sample_size=len(scores),
        mean=mean,
        standard_deviation=deviation,
        zeros=sum(score == 0 for score in scores),
        scores_sha256=scores_digest(scores),
    )


def _differences(baseline: Sequence[float], improved: Sequence[float]) -> Differences:
    whole, scale = _whole([*baseline, *improved])
    rows = len(baseline)
    differences = [after - before for before, after in zip(whole[:rows], whole[rows:], strict=True)]
    mean, deviation = _moments(differences, scale)
    return Differences(
        mean,
        deviation,
        higher=sum(one > 0 for one in differences),
        lower=sum(one < 0 for one in differences),
    )


def _whole(scores: Sequence[float]) -> tuple[list[int], int]:
    """The scores as whole numbers, and what they were multiplied with."""
    ratios = [score.as_integer_ratio() for score in scores]
    scale = max(denominator for _, denominator in ratios)
    return [numerator * (scale // denominator) for numerator, denominator in ratios], scale


def _moments(whole: Sequence[int], scale: int) -> tuple[float, float]:
    """The mean and the standard deviation of scores that were multiplied with `scale`."""
    n, total = len(whole), sum(whole)
    scatter = n * sum(one * one for one in whole) - total * total
    variance = Fraction(scatter, n * (n - 1) * scale * scale)
    with localcontext(prec=DIGITS):
        return float(Fraction(total, n * scale)), float(decimal_of(variance).sqrt())


def _ranks(baseline: Sequence[float], improved: Sequence[float]) -> Ranks:
    ordered = sorted(baseline)
    twice = sum(bisect_left(ordered, one) + bisect_right(ordered, one) for one in improved)
    ties = Counter(map(float, baseline)) + Counter(map(float, improved))
    return Ranks(u=twice / 2, tie_term=sum(t**3 - t for t in ties.values()))


def exactly(value: float) -> Fraction:
    """A value as it is written in decimal: 0.88 is 88/100."""
    return Fraction(Decimal(repr(value)))
