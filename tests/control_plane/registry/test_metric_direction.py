"""Which way metrics improve, by their names or as said."""

import re

import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from app.control_plane.registry import known_metrics
from app.control_plane.registry.metric_direction import (
    Direction,
    direction_of,
    improvement_directions,
    resolve_directions,
    said_directions,
)
from app.core.errors import UnprocessableError
from tests.control_plane.registry.metrics_of_libraries import DOWN, UP

KNOWN_UP = Direction(higher_is_better=True, source="known")
KNOWN_DOWN = Direction(higher_is_better=False, source="known")
GUESSED_UP = Direction(higher_is_better=True, source="guessed")
GUESSED_DOWN = Direction(higher_is_better=False, source="guessed")
SAID_UP = Direction(higher_is_better=True, source="said")
SAID_DOWN = Direction(higher_is_better=False, source="said")


@pytest.mark.parametrize("prefix", ["", "test_", "train_", "mean_test_", "split0_test_"])
def test_every_scorer_of_scikit_learn_improves_upwards(prefix: str) -> None:
    names = [prefix + name for name in sklearn.metrics.get_scorer_names()]
    assert len(names) > 50
    assert {name: direction_of(name) for name in names} == dict.fromkeys(names, KNOWN_UP)


def test_what_scikit_learn_negates_improves_downwards_by_itself() -> None:
    scorers = map(sklearn.metrics.get_scorer, sklearn.metrics.get_scorer_names())
    losses = {scorer._score_func.__name__ for scorer in scorers if scorer._sign == -1}
    assert {"log_loss", "mean_squared_error"} < losses
    assert {name: direction_of(name) for name in losses} == dict.fromkeys(losses, KNOWN_DOWN)


@pytest.mark.parametrize("library", UP)
def test_what_libraries_maximise_improves_upwards(library: str) -> None:
    names = UP[library].split()
    assert {name: direction_of(name) for name in names} == dict.fromkeys(names, KNOWN_UP)


@pytest.mark.parametrize("library", DOWN)
def test_what_libraries_minimise_improves_downwards(library: str) -> None:
    names = DOWN[library].split()
    assert {name: direction_of(name) for name in names} == dict.fromkeys(names, KNOWN_DOWN)


def test_no_name_is_in_two_tables() -> None:
    assert known_metrics.UPWARDS | known_metrics.LIKELIHOODS
    assert not (known_metrics.UPWARDS | known_metrics.LIKELIHOODS) & known_metrics.DOWNWARDS


@pytest.mark.parametrize(
    "name",
    [
        "neg_log_loss",
        "negative_loss",
        "testNegLogLoss",
        "neg_brier_score",
        "val_neg_mean_squared_error",
        "negated_error",
        "neg_perplexity",
        "NEGLOGLOSS",
    ],
)
def test_a_negated_loss_improves_upwards(name: str) -> None:
    assert direction_of(name) == KNOWN_UP


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "score test_score strangeness timeliness terror lossless 1 指标 customer_accuracy "
            "hellaswag/acc_norm loss_reduction error_improvement map-coverage",
            GUESSED_UP,
        ),
        (
            "1-accuracy 1-AUC -accuracy 1/accuracy accuracy_std acc_stderr,none test-rmse-std "
            "rank_test_score test_accuracy_drop box_loss neg_recall non_accuracy inverse_auc "
            "l2_score_loss_of_contact quantile prediction_time rmse_score gender_bias",
            GUESSED_DOWN,
        ),
        ("neg_recall_loss \u2212loss 1-loss minus_log_loss", GUESSED_UP),
    ],
)
def test_any_other_name_is_guessed(names: str, expected: Direction) -> None:
    found = {name: direction_of(name) for name in names.split()}
    assert found == dict.fromkeys(found, expected)


@pytest.mark.parametrize(
    "name", ["", "___", "neg", "test_", "\u0430ccuracy", "accuracy?", "a" * 200]
)
def test_a_name_that_says_nothing_is_guessed(name: str) -> None:
    # The fifth begins with a Cyrillic letter.
    assert direction_of(name).source == "guessed"


def test_two_metrics_that_improve_differently_leave_a_guess() -> None:
    assert direction_of("accuracy_loss") == GUESSED_DOWN
    assert direction_of("loss_accuracy") == GUESSED_UP


NAMES = sorted({name for text in (*UP.values(), *DOWN.values()) for name in text.split()})
# A name with parameters, or with `@` and `,`, is written in one way only.
PLAIN = [name for name in NAMES if not re.search(r"[:,@]", name)]


@given(
    st.sampled_from(PLAIN),
    st.lists(
        st.sampled_from(
            [
                "test_",
                "val_",
                "valid_",
                "validation_",
                "eval_",
                "train_",
                "training_",
                "test/",
                "val/",
                "train-",
                "best_",
                "mean_",
                "cv.",
            ]
        ),
        max_size=2,
    ),
    st.lists(
        st.sampled_from(
            [
                "_mean",
                "-mean",
                "_macro",
                "_micro",
                "_weighted",
                "@5",
                "@k",
                "_at_10",
                ",none",
                "_epoch",
                "/test",
                "_1",
                "(test)",
            ]
        ),
        max_size=2,
    ),
    st.sampled_from([str, str.lower, str.upper, str.title]),
    st.sampled_from("_-. /"),
)
def test_prefixes_suffixes_case_and_separators_change_nothing(
    name: str, before: list[str], after: list[str], case: type[str], separator: str
) -> None:
    changed = case("".join(before) + name + "".join(after)).replace("_", separator)
    assert direction_of(changed) == direction_of(name)


def test_a_direction_can_be_said_where_the_name_does_not_tell() -> None:
    said = said_directions({"strangeness": False, "score": True, "accuracy": True})
    assert said == {"strangeness": SAID_DOWN, "score": SAID_UP, "accuracy": KNOWN_UP}


@pytest.mark.parametrize("name", ["accuracy", "Test/ACC", "val_neg_log_loss", "valAccuracy"])
def test_a_direction_that_contradicts_a_known_name_is_refused(name: str) -> None:
    with pytest.raises(UnprocessableError, match="better higher"):
        said_directions({name: False})


def test_a_baseline_decides_for_its_improvements() -> None:
    baseline = {"said": SAID_DOWN, "guess": GUESSED_UP, "accuracy": KNOWN_UP}
    for said in ({}, {"said": False, "accuracy": True}):
        assert improvement_directions("b", baseline, said, is_own=False) == baseline
    for is_own in (True, False):
        with pytest.raises(UnprocessableError, match="the baseline b has it recorded"):
            improvement_directions("b", baseline, {"said": True}, is_own=is_own)
        found = improvement_directions("b", baseline, {"new": False}, is_own=is_own)
        assert found == baseline | {"new": SAID_DOWN}


def test_only_its_owner_says_the_direction_of_what_was_guessed_for_a_baseline() -> None:
    baseline = {"guess": GUESSED_UP}
    for said in (True, False):
        found = improvement_directions("b", baseline, {"guess": said}, is_own=True)
        assert found == {"guess": Direction(higher_is_better=said, source="said")}
    assert improvement_directions("b", baseline, {"guess": True}, is_own=False) == baseline
    with pytest.raises(UnprocessableError, match="guessed"):
        improvement_directions("b", baseline, {"guess": False}, is_own=False)


def test_metrics_without_a_recorded_direction_have_that_of_their_names() -> None:
    found = resolve_directions(["loss", "x"], {"x": SAID_DOWN, "y": SAID_UP})
    assert found == {"loss": KNOWN_DOWN, "x": SAID_DOWN}
