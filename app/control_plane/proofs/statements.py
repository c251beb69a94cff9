"""What the public inputs of a proof mean: counts of rows, and what they say of a metric."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from app.control_plane.registry.evaluation import EvaluationRequest
from app.control_plane.registry.known_metrics import names
from app.control_plane.registry.metric_direction import known_words
from app.core.errors import ProofRefusedError

SHARED = ("rows", "labels", "baseline", "improved", "binding")
_Row = tuple[int, int, int]
_CELLS: tuple[_Row, ...] = tuple((y, b, i) for y, b, i in product((0, 1), repeat=3))
# The public inputs of each statement, in their order.
PUBLIC_INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "cells": tuple(f"label{y}_baseline{b}_improved{i}" for y, b, i in _CELLS) + SHARED,
    "agreement": ("both", "only_baseline", "only_improved", "neither", *SHARED),
}
# For each count of `agreement`, as if the label were 1, whether each model is right.
_AGREEMENT: tuple[_Row, ...] = ((1, 1, 1), (1, 1, 0), (1, 0, 1), (1, 0, 0))


@dataclass(frozen=True, slots=True)
class _Share:
    """A share of rows: those that are counted, of those that are looked at.

    Both by the label and the prediction of a row.
    """

    looks_at: Callable[[int, int], bool]
    counts: Callable[[int, int], bool]
    # Whether the same rows are looked at of both models, which can then be compared row by row.
    by_label: bool = True


_ACCURACY = _Share(lambda y, p: True, lambda y, p: y == p)
_ERROR = _Share(lambda y, p: True, lambda y, p: y != p)
_SHARES: Final[Mapping[frozenset[str], _Share]] = {
    names("accuracy acc accuracy_score binary_accuracy categorical_accuracy"): _ACCURACY,
    names("error_rate err_rate misclassification_rate zero_one_loss binary_error"): _ERROR,
    names("recall sensitivity true_positive_rate tpr"): _Share(
        lambda y, p: y == 1, lambda y, p: p == 1
    ),
    names("false_negative_rate fnr"): _Share(lambda y, p: y == 1, lambda y, p: p == 0),
    names("specificity true_negative_rate tnr"): _Share(lambda y, p: y == 0, lambda y, p: p == 0),
    names("false_positive_rate fpr fall_out"): _Share(lambda y, p: y == 0, lambda y, p: p == 1),
    names("precision positive_predictive_value ppv"): _Share(
        lambda y, p: p == 1, lambda y, p: y == 1, by_label=False
    ),
    names("negative_predictive_value npv"): _Share(
        lambda y, p: p == 0, lambda y, p: y == 0, by_label=False
    ),
}


def evaluation_of(statement: str, public: Sequence[int], metric: str) -> EvaluationRequest:
    """The counts of a metric that a proof shows.

    Raises ProofRefusedError where it does not show those of this metric.
    """
    share = _share(metric)
    if share is None or (statement == "agreement" and share not in (_ACCURACY, _ERROR)):
        raise ProofRefusedError(
            f"The statement {statement} does not show {metric}. `cells` shows accuracy, "
            "error_rate, recall, specificity, precision and their like; `agreement` accuracy and "
            "error_rate."
        )
    cells = _CELLS if statement == "cells" else _AGREEMENT
    rows = dict(zip(cells, public, strict=False))
    stated: dict[str, Any] = {
        which: {
            "successes": _count(
                rows, place, lambda y, p: share.looks_at(y, p) and share.counts(y, p)
            ),
            "sample_size": _count(rows, place, share.looks_at),
        }
        for place, which in ((1, "baseline"), (2, "improved"))
    }
    if not all(one["sample_size"] for one in stated.values()):
        raise ProofRefusedError(f"By the counts of the proof, {metric} is a share of no rows.")
    if share.by_label:
        looked_at = {row: count for row, count in rows.items() if share.looks_at(row[0], row[1])}
        of_each = [
            (share.counts(y, b), share.counts(y, i), count)
            for (y, b, i), count in looked_at.items()
        ]
        stated["discordant"] = {
            "baseline_only": sum(count for b, i, count in of_each if b and not i),
            "improved_only": sum(count for b, i, count in of_each if i and not b),
        }
    return EvaluationRequest.model_validate(stated)


def _count(rows: Mapping[_Row, int], place: int, counts: Callable[[int, int], bool]) -> int:
    return sum(count for row, count in rows.items() if counts(row[0], row[place]))


def _share(metric: str) -> _Share | None:
    words, _ = known_words(metric)
    return next((share for group, share in _SHARES.items() if words and words <= group), None)
