"""The layout of trees: no two nodes at one place, parents in the middle, nothing wasted."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.web.pictures.tree_layout import Place, fold, layout


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str | None]:
    """Trees of up to 40 nodes: the parent of each node is one before it."""
    size = draw(st.integers(1, 40))
    parents: dict[str, str | None] = {"0": None}
    for number in range(1, size):
        parents[str(number)] = str(draw(st.integers(0, number - 1)))
    return parents


def children(parents: dict[str, str | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for node, parent in parents.items():
        if parent is not None:
            found[parent].append(node)
    return found


@given(trees())
def test_nodes_of_a_column_are_at_least_a_row_apart(parents: dict[str, str | None]) -> None:
    columns: dict[int, list[float]] = defaultdict(list)
    for place in layout(parents).values():
        columns[place.column].append(place.row)
    for rows in columns.values():
        rows.sort()
        assert all(after - row > 1 - 1e-9 for row, after in pairwise(rows))


@given(trees())
def test_a_parent_stands_before_and_in_the_middle_of_its_children(
    parents: dict[str, str | None],
) -> None:
    places = layout(parents)
    for parent, its in children(parents).items():
        rows = [places[child].row for child in its]
        assert rows == sorted(rows)
        assert abs(places[parent].row - (rows[0] + rows[-1]) / 2) < 1e-9
        assert {places[child].column for child in its} == {places[parent].column + 1}


@given(trees())
def test_the_picture_begins_at_the_top_and_is_no_higher_than_its_leaves(
    parents: dict[str, str | None],
) -> None:
    places = layout(parents)
    rows = [place.row for place in places.values()]
    leaves = len(parents) - len(children(parents))
    assert abs(min(rows)) < 1e-9
    assert max(rows) <= leaves - 1 + 1e-9


def test_a_line_is_drawn_as_a_line_and_a_fork_as_a_fork() -> None:
    assert layout({"a": None, "b": "a", "c": "b"}) == {
        "a": Place(0, 0),
        "b": Place(1, 0),
        "c": Place(2, 0),
    }
    assert layout({"a": None, "b": "a", "c": "a"}) == {
        "a": Place(0, 0.5),
        "b": Place(1, 0),
        "c": Place(1, 1),
    }


def test_subtrees_are_as_near_as_their_outlines_allow() -> None:
    # The second child has no children of its own, so the third one's do not go around it.
    places = layout({"r": None, "a": "r", "b": "r", "a1": "a", "a2": "a", "b1": "b", "b2": "b"})
    assert places["b1"].row - places["a2"].row == 1
    assert places["b"].row - places["a"].row == 2


def test_a_line_of_thousands_needs_no_recursion() -> None:
    parents: dict[str, str | None] = {"0": None}
    parents |= {str(number): str(number - 1) for number in range(1, 3000)}
    assert layout(parents)["2999"] == Place(2999, 0)


@given(trees(), st.integers(1, 40))
def test_a_folded_tree_counts_what_it_hides(parents: dict[str, str | None], most: int) -> None:
    shown, hidden = fold(parents, ["0"], most)
    assert len(shown) == min(most, len(parents))
    assert len(shown) + sum(hidden.values()) == len(parents)
    assert all(parent is None or parent in shown for parent in shown.values())
    assert hidden.keys() <= shown.keys()
    assert list(shown) == [node for node in parents if node in shown]
    layout(shown)


def test_a_folded_tree_keeps_its_line_and_what_is_near_to_it() -> None:
    parents: dict[str, str | None] = {
        "r": None,
        "a": "r",
        "b": "r",
        "b1": "b",
        "b2": "b",
        "b11": "b1",
    }
    shown, hidden = fold(parents, ["r", "b", "b1"], 4)
    assert list(shown) == ["r", "a", "b", "b1"]
    assert hidden == {"b": 1, "b1": 1}
