"""Warnings about the metrics of a registration, which is accepted all the same."""

from collections.abc import Iterable, Mapping

from app.control_plane.registry.plan import Plan

# How many metrics a warning lists by name.
MAX_LISTED = 20


def warn_about_sources(plan: Plan, in_mlflow: Mapping[str, float]) -> None:
    """Warn of metrics that the run does not have, or has with other values.

    in_mlflow: the metrics of the run, including those that are not finite.
    """
    given = [name for name, source in plan.metric_sources.items() if source.source == "given"]
    absent = [name for name in given if name not in in_mlflow]
    if absent and plan.run_id is None:
        plan.warn(
            "metric_not_seen",
            f"The model has no run in MLflow, so these metrics are given, and cannot be witnessed: "
            f"{listed(absent)}.",
        )
    elif absent:
        plan.warn(
            "metric_not_seen",
            f"Run {plan.run_id} in MLflow does not have {listed(absent)}: what was given is "
            "registered, and cannot be witnessed. Log the metrics to that run before registering.",
        )
    others = [
        f"{name} is given as {plan.metrics[name]:g}, and seen as {in_mlflow[name]:g}"
        for name in given
        if name in in_mlflow
    ]
    if others:
        plan.warn(
            "metric_differs",
            f"Run {plan.run_id} in MLflow has other values: {listed(others, '; ')}. What was given "
            "is registered, and cannot be witnessed.",
        )


def warn_about_improvement(plan: Plan, compared_with: str, *, own: bool) -> None:
    """Warn of a model that is no better, and of directions that are guessed.

    The primary metric decides, if both models have it, else all metrics do. compared_with: whose
    values the baseline's are, in words. own: whether the caller may say the directions.
    """
    primary = plan.primary_metric
    decisive = {
        name: delta
        for name, delta in plan.delta.items()
        if primary not in plan.delta or name == primary
    }
    worse = [name for name, delta in decisive.items() if delta.improvement < 0]
    same = [name for name, delta in decisive.items() if delta.improvement == 0]
    shown = worse or (same if len(same) == len(decisive) else [])
    if shown:
        values = [
            f"{name} is {decisive[name].improved:g} after {decisive[name].baseline:g}, and "
            f"{'higher' if decisive[name].higher_is_better else 'lower'} is better"
            f" ({decisive[name].direction})"
            for name in shown
        ]
        plan.warn(
            "not_an_improvement",
            f"This model is {'worse' if worse else 'no better'} than {compared_with}: "
            f"{listed(values, '; ')}.",
        )
    _warn_about_guesses(
        plan, (name for name in decisive if decisive[name].direction == "guessed"), own=own
    )


def warn_about_guesses(plan: Plan) -> None:
    """Warn of the directions of a baseline that are guessed: of its primary metric, or of all."""
    names = plan.metrics if plan.primary_metric is None else [plan.primary_metric]
    guessed = (name for name in names if plan.directions[name].source == "guessed")
    _warn_about_guesses(plan, guessed, own=True)


def listed(names: Iterable[str], separator: str = ", ") -> str:
    """The first names, and an ellipsis where there are more."""
    names = list(names)
    more = [*names[:MAX_LISTED], *(["…"] if len(names) > MAX_LISTED else [])]
    return separator.join(more) if more else "no metrics"


def _warn_about_guesses(plan: Plan, names: Iterable[str], *, own: bool) -> None:
    guessed = [
        f"{name} ({'higher' if plan.directions[name].higher_is_better else 'lower'})"
        for name in names
    ]
    if guessed:
        plan.warn(
            "direction_guessed",
            f"The names of these metrics do not tell which way they improve, so it is guessed, and "
            f"nothing is minted for them: {listed(guessed)}. "
            + (
                "Say it with higher_is_better."
                if own
                else "The owner of the baseline can say it, by registering the baseline anew."
            ),
        )
