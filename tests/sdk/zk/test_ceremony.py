"""A setup by several parties with snarkjs: the kit of deploy/zk-ceremony, on a small circuit."""

import hashlib
import sys
from pathlib import Path

import pytest
from hokusai.zk import key_files, provers
from hokusai.zk.statements import Comparison

from tests.support import programs

RUN = Path(__file__).parents[3] / "deploy" / "zk-ceremony" / "run"


@pytest.mark.slow
def test_several_parties_make_a_key_with_which_the_sdk_proves(
    snarkjs: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "ceremony"
    program = Path(sys.executable).with_name("hokusai")
    failing = tmp_path / "failing"
    failing.write_text(f'#!/bin/sh\n[ "$2" = import ] && exit 9\nexec {program} "$@"\n')
    failing.chmod(0o755)

    def run(*parties: str, hokusai: Path = program) -> str:
        variables = {"HOKUSAI": str(hokusai), "ROWS": "2", "BEACON": "ab" * 32}
        return programs.run([RUN, directory, *parties], tmp_path, timeout=800, **variables)

    with pytest.raises(AssertionError, match="Contribution Hash"):
        run("alice", "bob", hokusai=failing)
    with pytest.raises(AssertionError, match="has another ceremony"):
        run("alice", "carol")
    # What was done before the interruption is not done again.
    printed = run("alice", "bob")
    assert "Contribution Hash" not in printed

    assert "ZKey Ok!" in printed
    assert "contribution #1 alice" in printed
    assert "contribution #2 bob" in printed
    transcript = (directory / "transcript.json").read_bytes()
    (key,) = key_files.load(directory / "keys").values()
    assert key.setup == f"ceremony:{hashlib.sha256(transcript).hexdigest()}"
    proof = provers.prove(
        key,
        key_files.proving_key_path(directory / "keys", key.circuit),
        Comparison([1, 0], [0, 0], [1, 0], (1, 2, 3), 4),
        provers.PYTHON,
    )
    proof.check({key.circuit}, 4)
