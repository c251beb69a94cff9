"""Whether counts are those of an attested metric: successes / sample_size is its value.

A metric is a double, and often one that was rounded: to single precision by a library that trains
models, or to a few decimals by a person. A rounded value leaves no choice of the count: only the
count next to it is taken, so that nobody gains what rounding leaves open.
"""

import struct
from decimal import Decimal
from fractions import Fraction

from app.control_plane.benchmarks.acceptance import Count
from app.core.errors import UnprocessableError


def require_agreement(which: str, metric: str, value: float, count: Count) -> None:
    """Raises UnprocessableError where a metric's value is not successes / sample_size.

    which: `baseline` or `improved`.
    """
    if not 0 <= value <= 1:
        raise UnprocessableError(
            f"{metric} of the {which} model is {value!r}, which is not a share from 0 to 1, so "
            "that counts cannot be checked against it. Log it as a share."
        )
    if count.share == _exact(value):
        return
    # Twice the distance of the count from the one that the value would be, in rows.
    is_next = abs(count.successes - _exact(value) * count.sample_size) * 2 < 1
    if not (is_next and _is_rounded(value, count.share)):
        next_count = round(_exact(value) * count.sample_size)
        raise UnprocessableError(
            f"evaluation.{which}: {count.successes} of {count.sample_size} is not the attested "
            f"{metric} {value!r}, which would be {next_count} of {count.sample_size}. Give the "
            f"counts that {metric} was computed from, and log it without rounding."
        )


def _is_rounded(value: float, share: Fraction) -> bool:
    """Whether a value is a share in double or single precision, or rounded to its decimals."""
    if value in (float(share), struct.unpack("<f", struct.pack("<f", float(share)))[0]):
        return True
    exponent = Decimal(repr(value)).as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(_exact(value) - share) * 2 <= Fraction(10) ** exponent


def _exact(value: float) -> Fraction:
    """A value as it is written in decimal: 0.88 is 88/100."""
    return Fraction(Decimal(repr(value)))
