"""The numbers of a model or of an attestation beside those of its baseline, as tables show them."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.control_plane.registry.deltas import Delta
from app.web.filters import change


@dataclass(frozen=True)
class Metric:
    """One metric.

    baseline: the value of the baseline, if it has the metric. change: the difference, with its
    sign; empty without a baseline. is_better: None where nothing has changed.
    """

    name: str
    value: float
    baseline: float | None = None
    change: str = ""
    is_better: bool | None = None

    @classmethod
    def of(cls, name: str, value: float, delta: Delta | None) -> "Metric":
        """A metric, and how it compares with the baseline's; delta: None without one."""
        if delta is None:
            return cls(name, value)
        words = change(
            delta.baseline, delta.improved, delta.delta, higher_is_better=delta.higher_is_better
        )
        better = None if delta.improvement == 0 else delta.improvement > 0
        return cls(name, value, delta.baseline, words, better)

    @property
    def css(self) -> str:
        """The class that colours the change."""
        return {None: "", True: "up", False: "down"}[self.is_better]


def sorted_metrics(
    values: Mapping[str, float], deltas: Mapping[str, Delta], primary: str | None
) -> list[Metric]:
    """All metrics: the one that counts, then those with a baseline, then the others, by name."""
    names = sorted(values, key=lambda name: (name != primary, name not in deltas, name))
    return [Metric.of(name, values[name], deltas.get(name)) for name in names]
