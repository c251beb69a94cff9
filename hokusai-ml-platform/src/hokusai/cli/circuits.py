"""`hokusai circuits`: make or import the keys that proofs are made and checked with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from hokusai.cli.options import WholeNumber
from hokusai.cli.output_file import output_file

if TYPE_CHECKING:
    from hokusai.zk.keys import VerifyingKey

_statement_option = click.option(
    "--statement",
    "name",
    type=click.Choice(["cells", "agreement"]),
    default="cells",
    show_default=True,
    help="What the circuit proves.",
)
_rows_option = click.option(
    "--rows",
    type=WholeNumber(min=1),
    default=1024,
    show_default=True,
    help="How many rows it takes: 1024, 4096 or 10240. Others serve rehearsals only.",
)
_directory_argument = click.argument("directory", type=click.Path(file_okay=False, path_type=Path))


@click.group()
def circuits() -> None:
    """Make or import the keys of circuits, for an operator of a gateway.

    The gateway reads them from HOKUSAI_PROOF_KEYS.
    """


@circuits.command()
@_directory_argument
@_statement_option
@_rows_option
def setup(directory: Path, name: str, rows: int) -> None:
    """Make the keys of a circuit in DIRECTORY, as the one party of its setup.

    Those who check proofs trust that you have kept no secret of it. `make zk-ceremony` has several
    parties instead. For 1,024 rows this takes some ten seconds.
    """
    from hokusai.zk import key_files

    _show(key_files.make(directory, name, rows))


@circuits.command()
@click.argument("output", type=click.Path(allow_dash=True))
@_statement_option
@_rows_option
def r1cs(output: str, name: str, rows: int) -> None:
    """Write the constraints of a circuit, with which a ceremony begins, as a .r1cs file."""
    from hokusai.zk import circom_files
    from hokusai.zk.circuits import statement

    kind = "the constraints of a circuit"
    with output_file(output, kind, lambda content: content[:4] == b"r1cs") as file:
        file.write(circom_files.r1cs(statement(name).blank(rows)))


@circuits.command("import")
@click.argument("zkey", type=click.File("rb"))
@_directory_argument
@click.option(
    "--transcript",
    type=click.File("rb"),
    required=True,
    help="What the ceremony recorded, with the SHA-256 of ZKEY. Its own becomes part of the "
    "circuit's identifier.",
)
@_statement_option
@_rows_option
def import_(zkey: BinaryIO, directory: Path, transcript: BinaryIO, name: str, rows: int) -> None:
    """Save the keys that a ceremony made, the file ZKEY, in DIRECTORY.

    Whether the ceremony was sound is what `snarkjs zkey verify` says, and the transcript.
    """
    from hokusai.zk import key_files

    _show(key_files.import_zkey(directory, zkey.read(), name, rows, transcript.read()))


def _show(key: VerifyingKey) -> None:
    click.echo(f"{key.circuit}  {key.statement}, {key.capacity} rows, setup: {key.setup}")
