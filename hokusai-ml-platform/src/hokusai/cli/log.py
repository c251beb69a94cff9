"""`hokusai log`: what to keep of the log, for verifying offline later."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click

from hokusai.cli.options import url_option

_OUTPUT = click.option(
    "-o", "--output", type=click.File("w", encoding="utf-8", lazy=True), default="-"
)


@click.group()
def log() -> None:
    """Keep parts of the log of attestations. None of it takes a credential."""


@log.command()
@url_option
@_OUTPUT
def checkpoint(url: str | None, output: TextIO) -> None:
    """The newest signed checkpoint, for `hokusai verify --checkpoint`."""
    output.write(_get(url, "")["checkpoint"])


@log.command()
@click.argument("first", type=click.IntRange(min=0))
@click.argument("second", type=click.IntRange(min=0))
@url_option
@_OUTPUT
def consistency(first: int, second: int, url: str | None, output: TextIO) -> None:
    """The proof that the log of SECOND entries begins with that of FIRST."""
    found = _get(url, "/proof", first=first, second=second)
    output.write(json.dumps(found, indent=2) + "\n")


@log.command()
@url_option
@_OUTPUT
def export(url: str | None, output: TextIO) -> None:
    """All entries, a page a line, for `hokusai verify --log`: tells what was revoked."""
    start: int | None = 0
    while start is not None:
        page = _get(url, "/entries", start=start, limit=1000)
        output.write(json.dumps(page) + "\n")
        start = page["next"]


def _get(url: str | None, path: str, **query: Any) -> Any:
    from hokusai.client import GatewayClient
    from hokusai.gateway_url import GatewayURL

    client = GatewayClient(GatewayURL.resolve(url))
    return client.request("GET", f"/attestations/log{path}", params=query, anonymous=True)
