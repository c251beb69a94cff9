"""A line chart of a metric along a line of improvements, as what a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.filters import number
from app.web.pictures.fitting import fit_end

STEP = 124
HEIGHT = 210
LEFT, RIGHT, TOP, BOTTOM = 64, 62, 24, 42
# The room for a label, so that it does not touch the next one, in letters of average width.
LABEL = 15.5


@dataclass(frozen=True)
class Measured:
    """One value on the line. name: of the model. model_id: None where the page is about it."""

    name: str
    model_id: str
    value: float


@dataclass(frozen=True)
class Point:
    """A point of the picture, in its units."""

    x: float
    y: float
    measured: Measured
    label: str


@dataclass(frozen=True)
class Chart:
    """The picture. ticks: the positions and texts of the horizontal lines."""

    width: int
    height: int
    points: list[Point]
    ticks: list[tuple[float, str]]
    line: str


def chart(values: Sequence[Measured]) -> Chart | None:
    """The chart of at least two values; None for fewer."""
    if len(values) < 2:
        return None
    lowest, highest = min(one.value for one in values), max(one.value for one in values)
    span = highest - lowest or abs(highest) or 1.0
    room = HEIGHT - TOP - BOTTOM

    def height_of(value: float) -> float:
        return round(TOP + room * (highest - value) / span, 1)

    points = [
        Point(LEFT + 24 + place * STEP, height_of(one.value), one, fit_end(one.name, LABEL))
        for place, one in enumerate(values)
    ]
    ticks = [lowest, highest] if highest > lowest else [highest]
    return Chart(
        width=LEFT + 24 + (len(values) - 1) * STEP + RIGHT,
        height=HEIGHT,
        points=points,
        ticks=[(height_of(value), number(value)) for value in ticks],
        line=" ".join(f"{point.x:g},{point.y:g}" for point in points),
    )
