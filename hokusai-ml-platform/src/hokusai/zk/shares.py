"""The shares of rows that follow from the counts of a proof, such as accuracy or recall."""

from __future__ import annotations

from itertools import product
from typing import Any, Callable, NamedTuple, Sequence


class Share(NamedTuple):
    """Rows that are counted, of those that are looked at, by label and prediction.

    Attributes:
        names: Metrics that are this share.
        looks_at: Which rows the metric is about.
        counts: Which of them are successes.
        by_label: Whether the same rows are looked at of both models.
        agreement: Whether it follows from the counts of `agreement` too.
    """

    names: tuple[str, ...]
    looks_at: Callable[[int, int], bool]
    counts: Callable[[int, int], bool]
    by_label: bool = True
    agreement: bool = False


SHARES = (
    Share(("accuracy",), lambda y, p: True, lambda y, p: y == p, agreement=True),
    Share(("error_rate",), lambda y, p: True, lambda y, p: y != p, agreement=True),
    Share(("recall", "sensitivity"), lambda y, p: y == 1, lambda y, p: p == 1),
    Share(("false_negative_rate",), lambda y, p: y == 1, lambda y, p: p == 0),
    Share(("specificity",), lambda y, p: y == 0, lambda y, p: p == 0),
    Share(("false_positive_rate",), lambda y, p: y == 0, lambda y, p: p == 1),
    Share(("precision",), lambda y, p: p == 1, lambda y, p: y == 1, by_label=False),
    Share(("negative_predictive_value",), lambda y, p: p == 0, lambda y, p: y == 0, by_label=False),
)
_CELLS = list(product((0, 1), repeat=3))
# For each count of `agreement`, as if the label were 1, whether each model is right.
_AGREEMENT = [(1, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 0)]


def shown(statement: str, counts: Sequence[int], share: Share) -> dict[str, Any] | None:
    """The members `baseline`, `improved` and `discordant` of an evaluation, or None.

    Args:
        statement: The name of the statement.
        counts: The counts of the proof.
        share: Which rows are counted. None is returned where the counts do not show them.
    """
    if statement == "agreement" and not share.agreement:
        return None
    rows = list(zip(_AGREEMENT if statement == "agreement" else _CELLS, counts))
    found: dict[str, Any] = {}
    for place, name in ((1, "baseline"), (2, "improved")):
        looked_at = [(row, n) for row, n in rows if share.looks_at(row[0], row[place])]
        found[name] = {
            "successes": sum(n for row, n in looked_at if share.counts(row[0], row[place])),
            "sample_size": sum(n for _, n in looked_at),
        }
    found["discordant"] = None
    if share.by_label:
        of_each = [
            (share.counts(y, b), share.counts(y, i), n)
            for (y, b, i), n in rows
            if share.looks_at(y, b)
        ]
        found["discordant"] = {
            "baseline_only": sum(n for b, i, n in of_each if b and not i),
            "improved_only": sum(n for b, i, n in of_each if i and not b),
        }
    return found
