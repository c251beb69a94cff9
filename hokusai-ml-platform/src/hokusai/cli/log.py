"""`hokusai log`: save parts of the transparency log, to verify attestations offline later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

import click

from hokusai.cli.options import WholeNumber, url_option, witness_options
from hokusai.cli.output_file import json_with, output_file

# Entries per request of an export, the most that the gateway returns.
_PAGE_SIZE = 1000
_output_option = click.option(
    "-o",
    "--output",
    type=click.Path(allow_dash=True),
    metavar="FILE",
    default="-",
    help="The file to write; by default standard output.",
)


@click.group()
def log() -> None:
    """Save parts of the transparency log. No credential is needed."""


@log.command()
@url_option
@_output_option
@click.option(
    "--log-key",
    "log_keys",
    multiple=True,
    metavar="KEY",
    help="A public key of the log, which must have signed the checkpoint. Repeatable.",
)
@witness_options
def checkpoint(
    url: str | None,
    output: str,
    log_keys: Sequence[str],
    witnesses: Sequence[str],
    quorum: int | None,
) -> None:
    """Save the newest signed checkpoint, for `hokusai verify --checkpoint`.

    With --witness it is the newest one that witnesses have cosigned.
    """
    from hokusai.verify.trust import check_note

    with output_file(output, "a checkpoint", _is_note) as file:
        state = _get(url, "")
        note: str = (witnesses and state.get("cosigned")) or state["checkpoint"]
        if witnesses or log_keys:
            check_note(note, log_keys, witnesses, quorum)
        file.write(note.encode())


@log.command()
@click.option(
    "--log-key",
    "log_keys",
    multiple=True,
    required=True,
    metavar="KEY",
    help="A public key of a log to witness, NAME+ID+BASE64. Repeatable.",
)
@click.option("--name", required=True, help="The name of the witness, for example its host name.")
@click.option(
    "--directory",
    type=click.Path(file_okay=False),
    help="Where its key and state are; by default in the user's configuration directory.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8484, show_default=True, help="The port; 0 for any free one.")
def witness(
    log_keys: Sequence[str], name: str, directory: str | None, host: str, port: int
) -> None:
    """Run a witness, which cosigns the log's checkpoints (C2SP tlog-witness).

    It cosigns only what extends everything that it has cosigned before. Keep its directory: with
    another state it could cosign two different trees.
    """
    from hokusai.errors import InputError
    from hokusai.private_files import private_path
    from hokusai.verify.trust import Trust
    from hokusai.witness.server import WitnessServer
    from hokusai.witness.service import Witness
    from hokusai.witness.signing import WitnessSigner
    from hokusai.witness.state import WitnessState

    logs: dict[str, list[Any]] = {}
    for key in Trust.parse(log_keys=log_keys).log_keys:
        logs.setdefault(key.name, []).append(key)
    place = Path(directory) if directory is not None else private_path("witness")
    if place is None:
        raise InputError("Name a directory for the witness with --directory.")
    try:
        state = WitnessState(place)
        signer = WitnessSigner.stored(place, name)
        server = WitnessServer(host, port, Witness(signer, state, logs), click.echo)
    except (OSError, OverflowError) as error:
        raise InputError(f"The witness cannot start: {error}.") from None
    click.echo(f"Witness {signer.key}")
    click.echo(f"of {', '.join(logs)}, on http://{host}:{server.server_address[1]}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


@log.command()
@click.argument("first", type=WholeNumber(min=0))
@click.argument("second", type=WholeNumber(min=0))
@url_option
@_output_option
def consistency(first: int, second: int, url: str | None, output: str) -> None:
    """Save the proof that the log of SECOND entries extends the log of FIRST entries."""
    with output_file(
        output, "a proof of the log", json_with("first", "proof", "tree_size")
    ) as file:
        proof = _get(url, "/proof", first=first, second=second)
        file.write(f"{json.dumps(proof, indent=2)}\n".encode())


@log.command()
@url_option
@_output_option
def export(url: str | None, output: str) -> None:
    """Save all entries, for `hokusai verify --log`, which then can find revocations.

    Each line is one page of entries, as JSON.
    """
    from hokusai.errors import ResponseError

    start: int | None = 0
    with output_file(output, "an export of the log", _is_export) as file:
        while start is not None:
            page = _get(url, "/entries", start=start, limit=_PAGE_SIZE)
            file.write(f"{json.dumps(page)}\n".encode())
            end = start + len(page["entries"])
            # Entries that come again, or none at all, would be written without end.
            if page["next"] not in (None, end) or page["next"] == start:
                raise ResponseError(
                    f"The page of the log's entries from {start} on says that the next one begins "
                    f"at {page['next']}, but it ends at {end}. Export the log from another copy."
                )
            start = page["next"]


def _is_note(content: bytes) -> bool:
    return "\n\n\u2014 ".encode() in content


def _is_export(content: bytes) -> bool:
    return json_with("entries", "next")(content.partition(b"\n")[0])


def _get(url: str | None, path: str, **query: Any) -> Any:
    from hokusai.client import GatewayClient
    from hokusai.gateway_url import GatewayURL

    client = GatewayClient(GatewayURL.resolve(url))
    return client.request("GET", f"/attestations/log{path}", params=query, anonymous=True)
