"""Output of the commands: lines and tables for people, JSON for programs.

Names, reasons and tags were written by others and must not control the user's terminal, so
characters that are not printable are replaced, and nothing is interpreted as markup.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Sequence

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Columns where standard output is not a terminal, so that a program or a pager gets whole lines.
_WIDTH = 500


def sanitize(text: object) -> str:
    """Return the text with control characters and changes of direction replaced."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in str(text)
    )


def write_line(text: str) -> None:
    """Write a sanitized line to standard output."""
    click.echo(sanitize(text))


def write_json(document: Any) -> None:
    """Write a document as JSON to standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=True, default=dict))


def make_console() -> Console:
    """Return the console that tables and trees are written to."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH
    return Console(markup=False, highlight=False, emoji=False, width=width)


def cell(value: object) -> Text:
    """Return a sanitized table cell: empty for None, comma-separated for a list."""
    from rich.text import Text

    if value is None:
        return Text("")
    if isinstance(value, (list, tuple)):
        return Text(", ".join(sanitize(item) for item in value))
    return Text(sanitize(value))


def write_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows under headings. The first column is never wrapped."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, no_wrap=index == 0, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    make_console().print(table)


def write_record(document: Mapping[str, object]) -> None:
    """Write one line for each member, leaving out members without a value."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in document.items():
        if value not in (None, [], {}, ""):
            table.add_row(name, cell(value))
    make_console().print(table)


def format_metrics(metrics: Mapping[str, Any]) -> str:
    """Return metrics as the text of one cell."""
    return ", ".join(f"{name} {value:g}" for name, value in metrics.items())
