"""What several pages say of a model: the metric that counts, and what its numbers rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.control_plane.attestations.schemas import AttestationSummary
from app.control_plane.registry.schemas import ModelSummary
from app.web.filters import change

# From the strongest on.
EVIDENCE = ("proven", "witnessed", "claimed")


@dataclass(frozen=True)
class Metric:
    """One metric of a model, as pages show it.

    baseline: the value of the baseline, if it has the metric. change: the difference, with its
    sign; empty without a baseline. is_better: None where nothing has changed.
    """

    name: str
    value: float
    higher_is_better: bool
    baseline: float | None = None
    change: str = ""
    is_better: bool | None = None

    @property
    def css(self) -> str:
        """The class that colours the change."""
        return {None: "", True: "up", False: "down"}[self.is_better]


@dataclass(frozen=True)
class Row:
    """A model in a table. evidence: of its strongest attestation, if it has one that counts."""

    model: ModelSummary
    metric: Metric | None
    evidence: str | None


def row_of(model: ModelSummary, attestations: Sequence[AttestationSummary]) -> Row:
    """A model as tables show it."""
    name = primary_metric(model)
    return Row(model, None if name is None else metric_of(model, name), evidence_of(attestations))


def primary_metric(model: ModelSummary) -> str | None:
    """The metric that counts: as it was registered, or else the first one by name.

    Those that the baseline has too come first.
    """
    for name in (model.primary_metric, model.metric_name):
        if name in model.metrics:
            return name
    return min(model.metrics.keys() & model.delta.keys() or model.metrics, default=None)


def metric_of(model: ModelSummary, name: str) -> Metric:
    """One of the model's metrics."""
    value, higher = model.metrics[name], model.higher_is_better[name]
    delta = model.delta.get(name)
    if delta is None:
        return Metric(name, value, higher)
    words = change(
        delta.baseline, delta.improved, delta.delta, higher_is_better=delta.higher_is_better
    )
    better = None if delta.improvement == 0 else delta.improvement > 0
    return Metric(name, value, delta.higher_is_better, delta.baseline, words, better)


def metrics_of(model: ModelSummary) -> list[Metric]:
    """All metrics of a model: the one that counts, then those with a baseline, then the others."""
    primary = primary_metric(model)
    names = sorted(model.metrics, key=lambda name: (name != primary, name not in model.delta, name))
    return [metric_of(model, name) for name in names]


def evidence_of(attestations: Sequence[AttestationSummary]) -> str | None:
    """What the strongest attestation rests on; `revoked` where none of them holds any more."""
    standing = {one.kind for one in attestations if not one.is_revoked}
    for kind in EVIDENCE:
        if kind in standing:
            return kind
    return "revoked" if attestations else None
