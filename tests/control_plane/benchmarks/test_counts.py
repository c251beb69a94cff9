"""Counts and the metric that they have to be the counts of."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.benchmarks.acceptance import Count
from app.control_plane.benchmarks.counts import require_agreement
from app.core.errors import UnprocessableError

counts = st.integers(1, 10_000_000).flatmap(
    lambda n: st.builds(Count, st.integers(0, n), st.just(n))
)


def agree(value: float, count: Count) -> bool:
    try:
        require_agreement("improved", "accuracy", value, count)
    except UnprocessableError:
        return False
    return True


@given(counts)
def test_a_share_in_double_or_single_precision_has_one_count(count: Count) -> None:
    value = count.successes / count.sample_size
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    for written in (value, single):
        assert agree(written, count)
        for other in (count.successes - 1, count.successes + 1):
            if 0 <= other <= count.sample_size:
                assert not agree(written, Count(other, count.sample_size))


@given(counts, st.integers(1, 6))
def test_a_rounded_share_never_leaves_a_choice(count: Count, decimals: int) -> None:
    value = round(count.successes / count.sample_size, decimals)
    n = count.sample_size
    near = range(max(0, count.successes - 5), min(n, count.successes + 5) + 1)
    assert sum(agree(value, Count(successes, n)) for successes in near) <= 1


@pytest.mark.parametrize(
    ("value", "count", "is_agreed"),
    [
        (0.88, Count(880, 1000), True),
        (0.333, Count(1, 3), True),
        (0.33, Count(333, 1000), False),
        # 0.9 may be rounded, but is 900 of 1000 exactly, and so it is no other count.
        (0.9, Count(900, 1000), True),
        (0.9, Count(949, 1000), False),
        (0.87, Count(9, 10), False),
        (1.0, Count(3, 3), True),
        (0.0, Count(0, 3), True),
        (88.0, Count(880, 1000), False),
        (-0.1, Count(0, 1000), False),
        # Half-way between two counts.
        (0.5, Count(500, 1001), False),
        (0.5, Count(501, 1001), False),
    ],
)
def test_examples(value: float, count: Count, is_agreed: bool) -> None:
    assert agree(value, count) == is_agreed


def test_the_error_says_which_count_it_would_be() -> None:
    with pytest.raises(UnprocessableError, match=r"890 of 1000 is not .* 0\.88, which .* 880 of"):
        require_agreement("improved", "accuracy", 0.88, Count(890, 1000))
