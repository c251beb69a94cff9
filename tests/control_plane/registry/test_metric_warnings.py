"""What a registration warns of: metrics that are not in MLflow, models that are no better."""

from typing import Any

import pytest

from tests.support.training import Training

ADDRESS = "0x742D35cc6634C0532925A3B844BC9E7595f62341"


def warned(model: dict[str, Any]) -> dict[str, str]:
    return {warning["code"]: warning["message"] for warning in model["warnings"]}


def improve(training: Training, on: dict[str, Any], **body: Any) -> dict[str, str]:
    """The warnings of an improvement."""
    return warned(
        training.registered(
            "improved", baseline_model_id=on["model_id"], contributor_address=ADDRESS, **body
        )
    )


def test_metrics_that_the_run_does_not_have_are_named_with_the_run(training: Training) -> None:
    run = training.run(loss=0.5)
    model = training.registered(
        "baseline", run_id=run, model_type="c", metrics={"accuracy": 0.9, "loss": 0.5}
    )
    found = warned(model)
    assert list(found) == ["metric_not_seen"]
    assert f"Run {run} in MLflow does not have accuracy:" in found["metric_not_seen"]


@pytest.mark.parametrize("given", [{"metrics": {"accuracy": 0.9}}, {"metadata": {"accuracy": 0.9}}])
def test_other_values_than_those_of_the_run_are_shown_beside_them(
    training: Training, given: dict[str, Any]
) -> None:
    run = training.run(accuracy=0.5)
    found = warned(training.registered("baseline", run_id=run, model_type="c", **given))
    assert list(found) == ["metric_differs"]
    assert f"Run {run}" in found["metric_differs"]
    assert "accuracy is given as 0.9, and seen as 0.5" in found["metric_differs"]


def test_what_the_run_has_needs_no_warning(training: Training) -> None:
    run = training.run(accuracy=0.1 + 0.2)
    metrics = {"accuracy": 0.3}
    model = training.registered("baseline", run_id=run, model_type="c", metrics=metrics)
    assert warned(model) == {}
    assert model["metric_sources"]["accuracy"]["source"] == "seen"


@pytest.mark.parametrize(
    ("before", "after", "primary", "words"),
    [
        ({"accuracy": 0.9}, {"accuracy": 0.5}, None, "worse than"),
        ({"accuracy": 0.9}, {"accuracy": 0.9}, None, "no better than"),
        ({"val_loss": 0.1}, {"val_loss": 0.2}, None, "val_loss is 0.2 after 0.1, and lower is"),
        ({"f1": 0.5, "accuracy": 0.9}, {"f1": 0.6, "accuracy": 0.8}, "accuracy", "accuracy is 0.8"),
        ({"f1": 0.5, "accuracy": 0.9}, {"f1": 0.6, "accuracy": 0.8}, None, "accuracy is 0.8"),
    ],
)
def test_a_model_that_is_no_better_gets_a_warning(
    training: Training,
    before: dict[str, float],
    after: dict[str, float],
    primary: str | None,
    words: str,
) -> None:
    baseline = training.baseline(**before)
    found = improve(training, baseline, run_id=training.run(**after), primary_metric=primary)
    assert list(found) == ["not_an_improvement"]
    assert words in found["not_an_improvement"]
    assert baseline["model_id"] in found["not_an_improvement"]


@pytest.mark.parametrize(
    ("after", "primary"),
    [
        ({"f1": 0.6, "accuracy": 0.8}, "f1"),
        ({"f1": 0.6, "accuracy": 0.9}, None),
        ({"f1": 0.6}, "f1"),
    ],
)
def test_a_better_model_gets_none(
    training: Training, after: dict[str, float], primary: str | None
) -> None:
    baseline = training.baseline(f1=0.5, accuracy=0.9)
    assert improve(training, baseline, run_id=training.run(**after), primary_metric=primary) == {}


def test_a_tokenized_model_below_its_baseline_value_gets_a_warning(training: Training) -> None:
    body = {"model_name": "T", "metric_name": "f1", "baseline_value": 0.75}
    token = {"token_id": f"t-{training.tenant}", **body}
    found = warned(training.registered("tokenized", run_id=training.run(f1=0.5), **token))
    assert "f1 is 0.5 after 0.75" in found["not_an_improvement"]


def test_guessed_directions_are_named(training: Training, stranger: Training) -> None:
    run = training.run(accuracy=0.5, strangeness=1)
    baseline = training.registered("baseline", run_id=run, model_type="c")
    assert "strangeness (higher)" in warned(baseline)["direction_guessed"]
    primary = training.registered("baseline", run_id=run, model_type="c", primary_metric="accuracy")
    assert warned(primary) == {}
    for tenant, words in ((training, "higher_is_better"), (stranger, "owner of the baseline")):
        better = tenant.run(accuracy=0.6, strangeness=2)
        found = improve(tenant, baseline, run_id=better)
        assert list(found) == ["direction_guessed"]
        assert words in found["direction_guessed"]
