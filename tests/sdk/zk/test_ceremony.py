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
    printed = programs.run(
        [RUN, directory, "alice", "bob"],
        tmp_path,
        timeout=800,
        HOKUSAI=str(Path(sys.executable).with_name("hokusai")),
        ROWS="2",
        BEACON="ab" * 32,
    )

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
