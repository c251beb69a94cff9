"""Prints the result of a command: a table for people, or JSON for scripts."""

import json
from typing import Annotated

import typer
from pydantic import BaseModel

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def print_one(record: BaseModel, as_json: bool, columns: tuple[str, ...]) -> None:
    """Print one record: one line per column, or a JSON object."""
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
        return
    for name in columns:
        typer.echo(f"{name:12} {_text(getattr(record, name))}")


def print_all(records: list[BaseModel], as_json: bool, columns: tuple[str, ...]) -> None:
    """Print records: one row each below a header, or a JSON array."""
    if as_json:
        typer.echo(json.dumps([record.model_dump(mode="json") for record in records], indent=2))
        return
    rows = [
        columns,
        *(tuple(_text(getattr(record, name)) for name in columns) for record in records),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(columns))]
    for row in rows:
        typer.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
