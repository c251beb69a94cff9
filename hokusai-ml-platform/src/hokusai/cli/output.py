"""How things are shown: tables for people, JSON for programs.

What strangers wrote (names, reasons, tags) must not steer a terminal: nothing is shown that is
not printable, and nothing is taken for markup.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# What is read by programs and pagers is not folded at a terminal's width.
_WIDTH = 500


def sanitize(cell: object) -> str:
    """The text without what steers terminals: control characters, changes of direction."""
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(cell)
    )


def write_line(cell: str) -> None:
    """A line for people, on standard output."""
    click.echo(sanitize(cell))


def write_json(document: Any) -> None:
    """A document for programs."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True, default=dict))


def make_console() -> Console:
    """Where tables and trees go."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width)


def cell(value: object) -> Text:
    """A cell: None is empty, and a list one entry after the other."""
    from rich.text import Text

    if value is None:
        return Text("")
    if isinstance(value, (list, tuple)):
        return Text(", ".join(sanitize(each) for each in value))
    return Text(sanitize(value))


def write_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under headings; the first column is never cut."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        made.add_column(heading, no_wrap=number == 0, overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    make_console().print(made)


def write_record(document: Mapping[str, object]) -> None:
    """One thing, a line for each of its members that has a value."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in document.items():
        if value not in (None, [], {}, ""):
            made.add_row(name, cell(value))
    make_console().print(made)


def format_metrics(metrics: Mapping[str, Any]) -> str:
    """Metrics in one cell."""
    return ", ".join(f"{name} {value:g}" for name, value in metrics.items())
