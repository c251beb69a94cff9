"""The picture of a lineage: boxes and lines with their positions, as what a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.control_plane.registry.schemas import LineageModel, LineageNode
from app.web.filters import change, number
from app.web.pictures.fitting import fit_start, notes_that_fit
from app.web.pictures.tree_layout import fold, layout

BOX_WIDTH, BOX_HEIGHT = 210, 60
COLUMN, ROW = 320, 80
MARGIN = 10
# Models of the path to this one that the picture always has.
MOST_OF_PATH = 40
# The room in a box, for a name and a note, in letters of average width.
_NAME, _NOTE = 22, 25


@dataclass(frozen=True)
class Box:
    """A model. note: its second line. title: all of it in words. hidden: models behind it."""

    model: LineageModel
    x: float
    y: float
    name: str
    note: str
    title: str
    is_on_path: bool
    is_this: bool
    hidden: int


@dataclass(frozen=True)
class Edge:
    """A line from a baseline to what improves on it.

    is_direct: whether no model between them is left out. gain: of the metric, with its place.
    """

    path: str
    is_on_path: bool
    is_direct: bool
    gain: str
    is_better: bool
    gain_x: float
    gain_y: float


@dataclass(frozen=True)
class Entry:
    """A model in the list below the picture. baseline: of it, as far as the list has it."""

    node: LineageNode
    baseline: LineageModel | None
    is_this: bool
    gain: str
    is_better: bool


@dataclass(frozen=True)
class Picture:
    """The picture, and the same in words."""

    width: int
    height: int
    boxes: list[Box]
    edges: list[Edge]
    entries: list[Entry]
    metric: str | None
    hidden: int


def name_of(model: LineageModel) -> str:
    """A model as people name it: the registered model and its version."""
    return f"{model.mlflow_name} {model.mlflow_version}"


def picture(
    nodes: Sequence[LineageNode], path: Sequence[str], metric: str | None, most: int
) -> Picture:
    """The picture of a lineage.

    nodes: each after its baseline. path: the ids from the first baseline to the model that the page
    is about. metric: whose values and gains are shown. most: how many models; others are folded.
    """
    by_id = {node.model.model_id: node for node in nodes}
    on_path = [model_id for model_id in path if model_id in by_id]
    # First, because others may stand behind it whose own baseline is not among the nodes.
    by_id = {on_path[0]: by_id[on_path[0]], **by_id}
    kept_path = [on_path[0], *on_path[1:][-MOST_OF_PATH:]]
    parents = {model_id: _parent(node, by_id, on_path) for model_id, node in by_id.items()}
    if len(kept_path) < len(on_path):
        # The middle of a long line is left out: what follows it stands behind the first baseline.
        for model_id in on_path[1:-MOST_OF_PATH]:
            del parents[model_id]
        for model_id, parent in parents.items():
            if parent is not None and parent not in parents:
                parents[model_id] = kept_path[0]
    shown, hidden = fold(parents, kept_path, most)
    places = layout(shown)
    line = set(kept_path)
    at = {
        model_id: (MARGIN + place.column * COLUMN, MARGIN + place.row * ROW)
        for model_id, place in places.items()
    }
    boxes = [
        _box(by_id[model_id], at[model_id], metric, line, path[-1], hidden.get(model_id, 0))
        for model_id in shown
    ]
    edges = [
        _edge(by_id[model_id], parent, at[parent], at[model_id], metric, line)
        for model_id, parent in shown.items()
        if parent is not None
    ]
    columns = max(place.column for place in places.values())
    rows = max(place.row for place in places.values())
    return Picture(
        # Wider where something is hidden behind the last column.
        width=columns * COLUMN + BOX_WIDTH + 2 * MARGIN + (90 if hidden else 0),
        height=round(rows * ROW) + BOX_HEIGHT + 2 * MARGIN,
        boxes=boxes,
        edges=edges,
        entries=[_entry(by_id[model_id], by_id, metric, path[-1]) for model_id in shown],
        metric=metric,
        hidden=sum(hidden.values()) + len(by_id) - len(parents),
    )


def _parent(node: LineageNode, by_id: dict[str, LineageNode], on_path: Sequence[str]) -> str | None:
    """The node's baseline, or what stands for it where that one is not among the nodes."""
    model_id = node.model.model_id
    if node.baseline_model_id is None or model_id == on_path[0]:
        return None
    if node.baseline_model_id in by_id:
        return node.baseline_model_id
    if model_id in on_path:
        return on_path[on_path.index(model_id) - 1]
    return on_path[0]


def _box(
    node: LineageNode,
    at: tuple[float, float],
    metric: str | None,
    line: set[str],
    this: str,
    hidden: int,
) -> Box:
    model = node.model
    is_this = model.model_id == this
    notes = ["this model"] if is_this else [model.tenant]
    if metric is not None and metric in model.metrics:
        notes.append(f"{metric} {number(model.metrics[metric])}")
    if model.withdrawn is not None:
        notes[0] = "withdrawn"
    elif node.attestations:
        notes.append("attested")
    return Box(
        model=model,
        x=at[0],
        y=at[1],
        name=fit_start(name_of(model), _NAME),
        note=notes_that_fit(notes, _NOTE),
        title=f"{name_of(model)}, {', '.join(notes)}",
        is_on_path=model.model_id in line,
        is_this=is_this,
        hidden=hidden,
    )


def _edge(
    node: LineageNode,
    parent: str,
    start: tuple[float, float],
    end: tuple[float, float],
    metric: str | None,
    line: set[str],
) -> Edge:
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT / 2
    middle = (x1 + x2) / 2
    gain, is_better = _gain(node, metric)
    is_direct = node.baseline_model_id == parent
    return Edge(
        path=f"M{x1:g} {y1:g}C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}",
        is_on_path=parent in line and node.model.model_id in line,
        is_direct=is_direct,
        gain=gain if is_direct else "…",
        is_better=is_better,
        gain_x=middle,
        gain_y=(y1 + y2) / 2 + 4,
    )


def _entry(
    node: LineageNode, by_id: dict[str, LineageNode], metric: str | None, this: str
) -> Entry:
    baseline = by_id.get(node.baseline_model_id or "")
    gain, is_better = _gain(node, metric)
    return Entry(
        node, baseline.model if baseline else None, node.model.model_id == this, gain, is_better
    )


def _gain(node: LineageNode, metric: str | None) -> tuple[str, bool]:
    """How much a model improves on its baseline, and whether that is for the better."""
    if metric is None or metric not in node.delta:
        return "", True
    delta = node.delta[metric]
    words = change(
        delta.baseline, delta.improved, delta.delta, higher_is_better=delta.higher_is_better
    )
    return words, delta.improvement >= 0
