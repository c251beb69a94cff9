"""What a proof shows of a metric, compared with counting rows."""

from itertools import product

import pytest
from hokusai.zk.circuits import STATEMENTS
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.proofs.statements import PUBLIC_INPUTS, evaluation_of
from app.core.errors import ProofRefusedError

Row = tuple[int, int, int]
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40
)


def test_the_public_inputs_are_those_of_the_sdk() -> None:
    assert {name: one.public_names for name, one in STATEMENTS.items()} == PUBLIC_INPUTS


def cells(rows: list[Row]) -> list[int]:
    return [rows.count((y, b, i)) for y, b, i in product((0, 1), repeat=3)]


@given(rows=ROWS)
@pytest.mark.parametrize(
    ("metric", "looked_at", "counted"),
    [
        ("accuracy", {(0, 0), (0, 1), (1, 0), (1, 1)}, {(0, 0), (1, 1)}),
        ("error_rate", {(0, 0), (0, 1), (1, 0), (1, 1)}, {(0, 1), (1, 0)}),
        ("recall", {(1, 0), (1, 1)}, {(1, 1)}),
        ("fnr", {(1, 0), (1, 1)}, {(1, 0)}),
        ("specificity", {(0, 0), (0, 1)}, {(0, 0)}),
        ("false_positive_rate", {(0, 0), (0, 1)}, {(0, 1)}),
        ("precision", {(0, 1), (1, 1)}, {(1, 1)}),
        ("npv", {(0, 0), (1, 0)}, {(0, 0)}),
        ("test_accuracy", {(0, 0), (0, 1), (1, 0), (1, 1)}, {(0, 0), (1, 1)}),
    ],
)
def test_the_counts_of_a_metric(
    metric: str, looked_at: set[tuple[int, int]], counted: set[tuple[int, int]], rows: list[Row]
) -> None:
    expected = {
        which: (
            sum((row[0], row[place]) in counted for row in rows),
            sum((row[0], row[place]) in looked_at for row in rows),
        )
        for place, which in ((1, "baseline"), (2, "improved"))
    }
    if not all(size for _, size in expected.values()):
        with pytest.raises(ProofRefusedError, match="no rows"):
            evaluation_of("cells", cells(rows), metric)
        return
    shown = evaluation_of("cells", cells(rows), metric)
    assert shown.counts is not None
    for which, count in zip(expected, shown.counts, strict=True):
        assert (count.successes, count.sample_size) == expected[which]
    if metric in ("precision", "npv"):
        assert shown.discordant is None
    else:
        assert shown.discordant is not None
        assert shown.discordant.baseline_only == sum(
            (y, b) in counted and (y, i) in looked_at - counted for y, b, i in rows
        )


def test_agreement_shows_accuracy_and_errors_only() -> None:
    for metric, expected in (("accuracy", (6, 8)), ("error_rate", (5, 3))):
        both = evaluation_of("agreement", [5, 1, 3, 2], metric).counts
        assert both is not None
        assert tuple(count.successes for count in both) == expected
        assert both[1].sample_size == 11
    for metric in ("recall", "f1", "my_metric"):
        with pytest.raises(ProofRefusedError, match="does not show"):
            evaluation_of("agreement", [5, 1, 3, 2], metric)
