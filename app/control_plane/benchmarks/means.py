"""Whether scores are those of an attested metric: their mean is its value.

A library adds numbers up with an error of rounding for each, and may keep the mean in single
precision. A metric that was rounded to a few decimals is refused: the means of many different
scores would fit it.
"""

import struct
from fractions import Fraction

from app.control_plane.benchmarks.scores import ScoreSummary
from app.core.errors import UnprocessableError

# Half the distance between 1 and the next double: the largest error of rounding one sum.
_ROUNDING = Fraction(1, 2**53)


def require_mean(which: str, metric: str, value: float, scores: ScoreSummary) -> None:
    """Raises UnprocessableError where a metric's value is not the mean of the scores.

    which: `baseline` or `improved`.
    """
    if value == struct.unpack("<f", struct.pack("<f", scores.mean))[0]:
        return
    mean, rows = Fraction(scores.mean), scores.sample_size
    # The error of adding numbers up one by one is at most `rows` roundings of the mean of their
    # absolute values, which is not above the root of the mean of their squares.
    squares = mean**2 + Fraction(scores.standard_deviation) ** 2
    if (Fraction(value) - mean) ** 2 <= (rows * _ROUNDING) ** 2 * squares:
        return
    raise UnprocessableError(
        f"evaluation.{which}: the mean of the {rows} scores is {scores.mean!r}, and the attested "
        f"{metric} is {value!r}. Give the scores that {metric} is the mean of, and log it without "
        "rounding."
    )
