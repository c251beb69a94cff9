"""Figures of several servers side by side: their ratios, medians and spreads.

A ratio is taken within each round, where both sides met the same machine, and the median of the
rounds is told with the least and the greatest.
"""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

# Figures of each round, by the name of the server. A figure is a dataclass of numbers.
Rounds = dict[str, list[Any]]
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Verdict:
    """What the gateway has to keep to: at most `bound`, or at least."""

    what: str
    figure: float
    unit: str
    bound: float
    at_most: bool = True

    def line(self) -> str:
        met = self.figure <= self.bound if self.at_most else self.figure >= self.bound
        found = f"{self.what}: {short(self.figure)} {self.unit}"
        side = "at most" if self.at_most else "at least"
        return f"{'met   ' if met else 'MISSED'} {found} (target: {side} {self.bound:g})"


@dataclass(frozen=True)
class Table:
    """One load: every server's rounds, and the figures of which a ratio to `base` is told."""

    name: str
    rounds: Rounds
    base: str
    ratios: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()

    def lines(self) -> list[str]:
        """A line for each server: median (least-greatest) of each figure, then the ratios."""
        first = next(iter(self.rounds.values()))[0]
        rows = [[self.name, *asdict(first), *(f"{name} x {self.base}" for name in self.ratios)]]
        for server, measured in self.rounds.items():
            figures = [asdict(one) for one in measured]
            cells = [spread([figure[name] for figure in figures]) for name in figures[0]]
            times = [spread(ratios(self.rounds, name, server, self.base)) for name in self.ratios]
            rows.append([server, *cells, *times])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def alternate(
    title: str, rounds: int, measures: Mapping[str, Callable[[], Measured]]
) -> dict[str, list[Measured]]:
    """Measure all servers in turn, round after round."""
    results: dict[str, list[Measured]] = {name: [] for name in measures}
    for number in range(1, rounds + 1):
        print(f"{title}: round {number} of {rounds}", file=sys.stderr, flush=True)
        for name, measure in measures.items():
            results[name].append(measure())
    return results


def ratios(rounds: Rounds, figure: str, server: str, base: str) -> list[float]:
    """One figure of a server against that of another, round by round."""
    pairs = zip(values(rounds, figure, server), values(rounds, figure, base), strict=True)
    return [one / other if other else float("inf") for one, other in pairs]


def median_ratio(rounds: Rounds, figure: str, server: str, base: str) -> float:
    """The median of `ratios`."""
    return statistics.median(ratios(rounds, figure, server, base))


def values(rounds: Rounds, figure: str, server: str) -> list[float]:
    """One figure of a server in every round."""
    return [getattr(one, figure) for one in rounds[server]]


def spread(numbers: Sequence[float]) -> str:
    """Median (least-greatest)."""
    median, least, greatest = statistics.median(numbers), min(numbers), max(numbers)
    return " ".join((short(median), f"({short(least)}-{short(greatest)})"))


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
