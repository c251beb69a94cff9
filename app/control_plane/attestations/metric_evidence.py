"""What each number of an attestation rests on: seen in MLflow at a time, or given in a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from app.control_plane.attestations.delta_one import default_primary_metric
from app.control_plane.attestations.schemas import EvidenceKind
from app.control_plane.attestations.subjects import Subject
from app.control_plane.registry.metric_source import is_same
from app.core.errors import NotWitnessedError


@dataclass(frozen=True, slots=True)
class AttestedMetric:
    """One number.

    source, at: `seen` in MLflow at that time, or `given` by a caller.
    registered: the number in the registration, where the caller asked for MLflow's in its place.
    """

    value: float
    source: Literal["seen", "given"]
    at: datetime
    registered: float | None = None

    def data(self) -> dict[str, Any]:
        """What the number rests on, as a part of an attestation's data."""
        found: dict[str, Any] = {"source": self.source, "at": self.at.isoformat()}
        return found if self.registered is None else found | {"registered": self.registered}


@dataclass(frozen=True, slots=True)
class AttestedModel:
    """One model of an attestation.

    left_out: the names of metrics that are not attested: not finite, or not seen in MLflow.
    """

    subject: Subject
    metrics: Mapping[str, AttestedMetric]
    left_out: tuple[str, ...] = ()

    @property
    def values(self) -> dict[str, float]:
        """The numbers by metric."""
        return {name: metric.value for name, metric in self.metrics.items()}

    def data(self) -> dict[str, Any]:
        """The model's part of an attestation's data."""
        files = self.subject.files
        return {
            "model_id": self.subject.model_id,
            "run_id": self.subject.run_id,
            "model_name": self.subject.mlflow_name,
            "model_version": self.subject.mlflow_version,
            "metrics": self.values,
            "metric_sources": {name: metric.data() for name, metric in self.metrics.items()},
            "files": files.attested() if files is not None else None,
        }


def given(values: Mapping[str, float], at: datetime) -> dict[str, AttestedMetric]:
    """Numbers that a caller has given."""
    return {name: AttestedMetric(value, "given", at) for name, value in values.items()}


def seen(values: Mapping[str, float], at: datetime) -> dict[str, AttestedMetric]:
    """Numbers that were read in MLflow."""
    return {name: AttestedMetric(value, "seen", at) for name, value in values.items()}


def registered(subject: Subject) -> dict[str, AttestedMetric]:
    """The numbers of a registration, with what it says of each."""
    assert subject.record is not None
    metrics = {}
    for name, value in subject.metrics.items():
        source = subject.metric_sources.get(name)
        if source is None:
            # Registered by a release that did not look.
            metrics[name] = AttestedMetric(value, "given", subject.record.created_at)
        else:
            metrics[name] = AttestedMetric(value, source.source, source.at)
    return metrics


def changed_names(subject: Subject, in_mlflow: Mapping[str, float]) -> list[str]:
    """The registered metrics of which the run in MLflow has another value now."""
    return [
        name
        for name, value in sorted(subject.metrics.items())
        if name in in_mlflow and not is_same(value, in_mlflow[name])
    ]


def choose_kind(
    kind: EvidenceKind | None,
    primary_metric: str | None,
    improved: AttestedModel,
    baseline: AttestedModel | None,
) -> tuple[EvidenceKind, AttestedModel, AttestedModel | None]:
    """What an attestation of these numbers is, and the numbers that it has.

    A witnessed one has only numbers that were seen. Without a wish (`kind`) it is witnessed where
    the metric that counts was seen of each model, and claimed otherwise.

    Raises NotWitnessedError where it was not, and the caller wants a witnessed one.
    """
    models = [improved, *([baseline] if baseline is not None else [])]
    seen_only = [_seen_only(model) for model in models]
    compared, compared_seen = _compared(models), _compared(seen_only)
    primary = primary_metric or improved.subject.primary_metric
    primary = primary or default_primary_metric(compared)
    if not compared or (compared_seen and (primary in compared_seen or primary not in compared)):
        return "witnessed", seen_only[0], seen_only[1] if baseline is not None else None
    if kind == "witnessed":
        names = [primary] if primary is not None and primary in compared else sorted(compared)
        raise NotWitnessedError(_not_seen(names, models))
    return "claimed", improved, baseline


def _compared(models: Sequence[AttestedModel]) -> set[str]:
    return set.intersection(*(set(model.metrics) for model in models))


def _seen_only(model: AttestedModel) -> AttestedModel:
    kept = {name: metric for name, metric in model.metrics.items() if metric.source == "seen"}
    return replace(
        model, metrics=kept, left_out=(*model.left_out, *(model.metrics.keys() - kept.keys()))
    )


def _not_seen(names: Sequence[str], models: Sequence[AttestedModel]) -> str:
    parts = [
        f"{name} of {model.subject.label} was given at its registration"
        for name in names[:5]
        for model in models
        if name in model.metrics and model.metrics[name].source == "given"
    ]
    return (
        f"The gateway has not seen these metrics in MLflow: {'; '.join(parts)}. Log them to the "
        "model's run, or leave `kind` out, and the attestation says that they were given."
    )
