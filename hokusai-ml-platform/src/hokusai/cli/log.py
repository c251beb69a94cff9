"""`hokusai log`: save parts of the transparency log, to verify attestations offline later."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click

from hokusai.cli.options import url_option

# Entries per request of an export, the most that the gateway returns.
_PAGE_SIZE = 1000
_output_option = click.option(
    "-o",
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True),
    default="-",
    help="The file to write; by default standard output.",
)


@click.group()
def log() -> None:
    """Save parts of the transparency log. No credential is needed."""


@log.command()
@url_option
@_output_option
def checkpoint(url: str | None, output: TextIO) -> None:
    """Save the newest signed checkpoint, for `hokusai verify --checkpoint`."""
    output.write(_get(url, "")["checkpoint"])


@log.command()
@click.argument("first", type=click.IntRange(min=0))
@click.argument("second", type=click.IntRange(min=0))
@url_option
@_output_option
def consistency(first: int, second: int, url: str | None, output: TextIO) -> None:
    """Save the proof that the log of SECOND entries extends the log of FIRST entries."""
    proof = _get(url, "/proof", first=first, second=second)
    output.write(json.dumps(proof, indent=2) + "\n")


@log.command()
@url_option
@_output_option
def export(url: str | None, output: TextIO) -> None:
    """Save all entries, for `hokusai verify --log`, which then can find revocations.

    Each line is one page of entries, as JSON.
    """
    start: int | None = 0
    while start is not None:
        page = _get(url, "/entries", start=start, limit=_PAGE_SIZE)
        output.write(json.dumps(page) + "\n")
        start = page["next"]


def _get(url: str | None, path: str, **query: Any) -> Any:
    from hokusai.client import GatewayClient
    from hokusai.gateway_url import GatewayURL

    client = GatewayClient(GatewayURL.resolve(url))
    return client.request("GET", f"/attestations/log{path}", params=query, anonymous=True)
