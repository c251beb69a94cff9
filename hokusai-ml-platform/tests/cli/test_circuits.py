"""`hokusai circuits`: keys in the directory that a gateway reads."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from hokusai.cli.main import USAGE, main
from hokusai.errors import DocumentError
from hokusai.zk import key_files

if TYPE_CHECKING:
    from pathlib import Path

ROWS = ("--rows", "2")


def test_keys_are_made_imported_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, imported, transcript = tmp_path / "made", tmp_path / "imported", tmp_path / "t.json"
    transcript.write_text("{}")

    assert main(["circuits", "setup", str(made), *ROWS]) == 0
    circuit, _, rest = capsys.readouterr().out.partition("  ")
    assert rest == "cells, 2 rows, setup: operator\n"
    assert list(key_files.load(made)) == [circuit]
    zkey = key_files.proving_key_path(made, circuit)

    arguments = ["circuits", "import", str(zkey), str(imported), "--transcript", str(transcript)]
    assert main([*arguments, *ROWS]) == 0
    other, _, rest = capsys.readouterr().out.partition("  ")
    origin = "ceremony:" + hashlib.sha256(b"{}").hexdigest()
    assert rest == f"cells, 2 rows, setup: {origin}\n"
    assert other != circuit
    assert key_files.load(imported)[other].setup == origin
    assert key_files.proving_key_path(imported, other).read_bytes() == zkey.read_bytes()

    # The keys of another circuit.
    assert main([*arguments, "--rows", "3"]) == USAGE
    assert "that of another circuit" in capsys.readouterr().err

    (made / f"{circuit}.json").rename(made / f"{'0' * 64}.json")
    with pytest.raises(DocumentError, match="is the verifying key of circuit"):
        key_files.load(made)
    (made / f"{'0' * 64}.json").write_text("{")
    with pytest.raises(DocumentError, match="is not a verifying key"):
        key_files.load(made)


def test_constraints_are_written_for_a_ceremony(tmp_path: Path) -> None:
    path = tmp_path / "circuit.r1cs"

    assert main(["circuits", "r1cs", str(path), *ROWS]) == 0
    assert path.read_bytes()[:4] == b"r1cs"
