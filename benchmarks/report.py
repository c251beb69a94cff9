"""Compares figures of several servers: ratios, medians and spreads.

A ratio is computed within each round, in which both servers had the same conditions. Reported are
the median of the rounds, the minimum and the maximum.
"""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

# By the name of the server: the figures of each round, as a dataclass of numbers.
Rounds = dict[str, list[Any]]
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Verdict:
    """A target of the gateway, with the measured figure: at most `bound`, or at least."""

    what: str
    figure: float
    unit: str
    bound: float
    at_most: bool = True

    def line(self) -> str:
        met = self.figure <= self.bound if self.at_most else self.figure >= self.bound
        figure = f"{self.what}: {short(self.figure)} {self.unit}"
        side = "at most" if self.at_most else "at least"
        return f"{'met   ' if met else 'MISSED'} {figure} (target: {side} {self.bound:g})"


@dataclass(frozen=True)
class Table:
    """One load: the rounds of every server.

    ratios: the figures whose ratio to the server `base` is reported.
    """

    name: str
    rounds: Rounds
    base: str
    ratios: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()

    def lines(self) -> list[str]:
        """A line for each server: median (minimum-maximum) of each figure, then the ratios."""
        first = next(iter(self.rounds.values()))[0]
        rows = [[self.name, *asdict(first), *(f"{name} x {self.base}" for name in self.ratios)]]
        for server, measured in self.rounds.items():
            figures = [asdict(round_) for round_ in measured]
            cells = [spread([figure[name] for figure in figures]) for name in figures[0]]
            times = [spread(ratios(self.rounds, name, server, self.base)) for name in self.ratios]
            rows.append([server, *cells, *times])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def alternate(
    title: str, rounds: int, measures: Mapping[str, Callable[[], Measured]]
) -> dict[str, list[Measured]]:
    """In each round, measure the servers one after the other."""
    results: dict[str, list[Measured]] = {name: [] for name in measures}
    for number in range(1, rounds + 1):
        print(f"{title}: round {number} of {rounds}", file=sys.stderr, flush=True)
        for name, measure in measures.items():
            results[name].append(measure())
    return results


def ratios(rounds: Rounds, figure: str, server: str, base: str) -> list[float]:
    """The ratio of a server's figure to that of the server `base`, for each round."""
    pairs = zip(values(rounds, figure, server), values(rounds, figure, base), strict=True)
    return [value / other if other else float("inf") for value, other in pairs]


def median_ratio(rounds: Rounds, figure: str, server: str, base: str) -> float:
    """The median of `ratios`."""
    return statistics.median(ratios(rounds, figure, server, base))


def values(rounds: Rounds, figure: str, server: str) -> list[float]:
    """One figure of a server in every round."""
    return [getattr(round_, figure) for round_ in rounds[server]]


def spread(numbers: Sequence[float]) -> str:
    """The text "median (minimum-maximum)"."""
    median, least, greatest = statistics.median(numbers), min(numbers), max(numbers)
    return " ".join((short(median), f"({short(least)}-{short(greatest)})"))


def short(value: float) -> str:
    """Three significant digits, or a whole number from 100 on."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
