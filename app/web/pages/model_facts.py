"""What several pages say of a model: the metric that counts, and what its numbers rest on."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.control_plane.attestations.schemas import AttestationSummary
from app.control_plane.registry.schemas import ModelSummary
from app.web.pages.metrics import Metric, sorted_metrics

# From the strongest on.
EVIDENCE = ("proven", "witnessed", "claimed")


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
    return Metric.of(name, model.metrics[name], model.delta.get(name))


def metrics_of(model: ModelSummary) -> list[Metric]:
    """All metrics of a model, in the order of `sorted_metrics`."""
    return sorted_metrics(model.metrics, model.delta, primary_metric(model))


def evidence_of(attestations: Sequence[AttestationSummary]) -> str | None:
    """What the strongest attestation rests on; `revoked` where none of them holds any more."""
    standing = {one.kind for one in attestations if not one.is_revoked}
    for kind in EVIDENCE:
        if kind in standing:
            return kind
    return "revoked" if attestations else None
