"""`hokusai circuits`: keys in the directory that a gateway reads."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from hokusai.cli.main import USAGE, main
from hokusai.errors import DocumentError
from hokusai.zk import key_files, zkey
from hokusai.zk.circom_files import r1cs
from hokusai.zk.circuits import statement
from hokusai.zk.setup import setup_system

if TYPE_CHECKING:
    from pathlib import Path

ROWS = ("--rows", "2")


def test_keys_are_made_imported_and_read_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, imported, transcript = tmp_path / "made", tmp_path / "imported", tmp_path / "t.json"

    assert main(["circuits", "setup", str(made), *ROWS]) == 0
    circuit, _, rest = capsys.readouterr().out.partition("  ")
    assert rest == "cells, 2 rows, setup: operator\n"
    assert list(key_files.load(made)) == [circuit]
    path = key_files.proving_key_path(made, circuit)
    record = transcript_of(path.read_bytes())
    transcript.write_text(json.dumps(record))

    arguments = ["circuits", "import", str(path), str(imported), "--transcript", str(transcript)]
    assert main([*arguments, *ROWS]) == 0
    other, _, rest = capsys.readouterr().out.partition("  ")
    origin = "ceremony:" + hashlib.sha256(transcript.read_bytes()).hexdigest()
    assert rest == f"cells, 2 rows, setup: {origin}\n"
    assert other != circuit
    assert key_files.load(imported)[other].setup == origin
    assert key_files.proving_key_path(imported, other).read_bytes() == path.read_bytes()

    # The keys of another circuit.
    assert main([*arguments, "--rows", "3"]) == USAGE
    assert "that of another circuit" in capsys.readouterr().err

    for name, wrong in (
        *((name, None) for name in record),
        ("zkey_sha256", "0" * 64),
        ("rows", 4),
        ("statement", "agreement"),
    ):
        transcript.write_text(json.dumps({**record, name: wrong}))
        assert main([*arguments, *ROWS]) == USAGE
        assert f"that of another key: its {name} is {wrong!r}" in capsys.readouterr().err
    for text in ("", "[]", "{"):
        transcript.write_text(text)
        assert main([*arguments, *ROWS]) == USAGE
        assert "The transcript is not a JSON object" in capsys.readouterr().err
    assert len(list(imported.iterdir())) == 2

    (made / f"{circuit}.json").rename(made / f"{'0' * 64}.json")
    with pytest.raises(DocumentError, match="is the verifying key of circuit"):
        key_files.load(made)
    (made / f"{'0' * 64}.json").write_text("{")
    with pytest.raises(DocumentError, match="is not a verifying key"):
        key_files.load(made)


def transcript_of(zkey: bytes) -> dict[str, object]:
    """What a ceremony records of a key of the circuit `cells` for two rows."""
    return {
        "statement": "cells",
        "rows": 2,
        "r1cs_sha256": hashlib.sha256(r1cs(statement("cells").blank(2))).hexdigest(),
        "zkey_sha256": hashlib.sha256(zkey).hexdigest(),
    }


def test_a_key_to_which_nobody_contributed_is_not_imported(tmp_path: Path) -> None:
    blank = statement("cells").blank(2)
    draws = iter([5, 6, 7, 1, 1])
    content = zkey.write(setup_system(blank, lambda: next(draws)), blank)
    transcript = json.dumps(transcript_of(content)).encode()

    with pytest.raises(DocumentError, match="anybody can forge proofs"):
        key_files.import_zkey(tmp_path, content, "cells", 2, transcript)
    assert not list(tmp_path.iterdir())


def test_constraints_are_written_for_a_ceremony(tmp_path: Path) -> None:
    path = tmp_path / "circuit.r1cs"

    assert main(["circuits", "r1cs", str(path), *ROWS]) == 0
    assert path.read_bytes()[:4] == b"r1cs"
