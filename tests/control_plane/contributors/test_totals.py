"""The sums of improvements that are kept of a contributor."""

from app.control_plane.contributors.totals import MAX_DELTAS, Deltas, added, removed


def test_improvements_are_summed_as_decimal_numbers() -> None:
    deltas: Deltas = {}
    for improvement in (0.1, 0.2):
        deltas = added(deltas, {"accuracy": improvement})
    assert deltas == {"accuracy": ("0.3", 2)}


def test_the_metrics_of_the_most_models_stay_where_they_are_too_many() -> None:
    deltas: Deltas = {"accuracy": ("1", 3), "loss": ("1", 1)}
    deltas = added(deltas, {f"junk-{number}": 1e300 for number in range(1000)})
    assert len(deltas) == MAX_DELTAS
    assert (deltas["accuracy"], deltas["loss"]) == (("1", 3), ("1", 1))
    # Metrics that come later take the place of none that has as many models.
    again = added(deltas, {f"later-{number}": 1.0 for number in range(1000)})
    assert again == deltas


def test_what_was_added_can_be_removed() -> None:
    once = added({}, {"accuracy": 0.1, "loss": 0.2})
    twice = added(once, {"accuracy": 0.3})
    assert removed(twice, {"accuracy": 0.3}) == once
    assert removed(once, {"accuracy": 0.1, "loss": 0.2, "never": 1.0}) == {}
