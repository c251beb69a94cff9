"""Where the nodes of a tree stand in a picture: from left to right, without overlapping.

The algorithm is that of Reingold and Tilford ("Tidier Drawings of Trees", 1981): a subtree is drawn
in the same way wherever it is, each node stands in the middle of its children, and subtrees are as
near to each other as their outlines allow.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a node stands. column: its distance from the root. row: from the highest node."""

    column: int
    row: float


def layout(parents: Mapping[str, str | None]) -> dict[str, Place]:
    """The place of each node.

    parents: the parent of each node, None of the root; each node comes after its parent. Nodes of
    one parent stand in their order here.
    """
    children: dict[str, list[str]] = {node: [] for node in parents}
    for node, parent in parents.items():
        if parent is not None:
            children[parent].append(node)
    # By subtree: its first and last row in each column from its root on, relative to the root.
    outlines: dict[str, tuple[list[float], list[float]]] = {}
    relative: dict[str, float] = {}
    for node in reversed(list(parents)):
        first: list[float] = []
        last: list[float] = []
        for child in children[node]:
            top, bottom = outlines.pop(child)
            shift = max((end + 1 - start for end, start in zip(last, top, strict=False)), default=0)
            relative[child] = shift
            first += [row + shift for row in top[len(first) :]]
            last[: len(bottom)] = [row + shift for row in bottom]
        if first:
            middle = (relative[children[node][0]] + relative[children[node][-1]]) / 2
            for child in children[node]:
                relative[child] -= middle
            first = [row - middle for row in first]
            last = [row - middle for row in last]
        outlines[node] = [0.0, *first], [0.0, *last]
    places: dict[str, Place] = {}
    for node, parent in parents.items():
        if parent is None:
            places[node] = Place(0, -min(outlines[node][0]))
        else:
            above = places[parent]
            places[node] = Place(above.column + 1, above.row + relative[node])
    return places


def fold(
    parents: Mapping[str, str | None], keep: Collection[str], most: int
) -> tuple[dict[str, str | None], dict[str, int]]:
    """A part of a tree with at most `most` nodes, and how many it hides behind each node.

    keep: the nodes that are shown first, each with its parent; then come those nearest to them.
    """
    if len(parents) <= most:
        return dict(parents), {}
    kept = set(keep)
    children: dict[str, list[str]] = {node: [] for node in parents}
    for node, parent in parents.items():
        if parent is not None:
            children[parent].append(node)
    nearest = [node for node in parents if node in kept]
    while nearest and len(kept) < most:
        following = [child for node in nearest for child in children[node] if child not in kept]
        nearest = following[: most - len(kept)]
        kept.update(nearest)
    hidden: dict[str, int] = {}
    shown_above: dict[str, str] = {}
    for node, parent in parents.items():
        if node in kept:
            shown_above[node] = node
        elif parent is not None:
            shown_above[node] = above = shown_above[parent]
            hidden[above] = hidden.get(above, 0) + 1
    return {node: parent for node, parent in parents.items() if node in kept}, hidden
