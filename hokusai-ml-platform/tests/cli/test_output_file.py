"""Files that commands write: whole, and nothing else is replaced."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest

from hokusai.cli.output_file import json_with, output_file
from hokusai.errors import ConfigurationError, InputError, UnreachableError
from scripted import Response, ScriptedServer
from vector_file import IMPROVEMENT, VECTORS

from .conftest import Command

DOCUMENT = json_with("a", "b")


def write(path: Path, content: bytes = b'{"a": 2, "b": 2}') -> None:
    with output_file(path, "a document", DOCUMENT) as file:
        file.write(content)


@pytest.mark.parametrize("before", [None, b"", b'{"a": 1, "b": 1, "c": 1}'])
def test_a_file_is_new_or_replaces_one_of_its_kind(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "out.json"
    if before is not None:
        path.write_bytes(before)
    write(path)
    assert path.read_bytes() == b'{"a": 2, "b": 2}'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("before", [b"mine", b'{"a": 1}', b"[1]", b"\xff", b"[" * 100_000])
def test_another_file_is_left_alone(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "out.json"
    path.write_bytes(before)
    with pytest.raises(InputError, match="is not a document"):
        write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (UnreachableError("no response"), UnreachableError),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), ConfigurationError),
    ],
)
def test_what_is_interrupted_leaves_the_old_file(
    tmp_path: Path, error: BaseException, shown: type[BaseException]
) -> None:
    path = tmp_path / "out.json"
    path.write_bytes(b'{"a": 1, "b": 1}')

    def interrupted() -> None:
        with output_file(path, "a document", DOCUMENT) as file:
            file.write(b'{"a": 2')
            raise error

    with pytest.raises(shown):
        interrupted()
    assert path.read_bytes() == b'{"a": 1, "b": 1}'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_and_a_device_is_written(tmp_path: Path) -> None:
    path, link = tmp_path / "real" / "out.json", tmp_path / "link.json"
    path.parent.mkdir()
    link.symlink_to(path)
    write(link)
    assert link.is_symlink()
    assert json.loads(path.read_text()) == {"a": 2, "b": 2}
    write(Path(os.devnull))
    assert Path(os.devnull).is_char_device()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such permissions")
def test_the_permissions_are_those_of_the_user(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "out.json")
    finally:
        os.umask(before)
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o640


def test_every_command_says_what_is_in_the_way_before_it_sends_anything(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    secret = tmp_path / "labels.json"
    secret.write_text(json.dumps({"role": "labels", "salt": "1", "values": [1, 0]}))
    before = secret.read_text()
    for arguments in (
        ["attest", "hkm_1", "-o"],
        ["attest", "hkm_1", "--bundle"],
        ["attest", "--fetch", "00", "-o"],
        ["log", "checkpoint", "-o"],
        ["log", "consistency", "1", "2", "-o"],
        ["log", "export", "-o"],
        ["circuits", "r1cs", "--rows", "1"],
        [
            *("benchmark", "prove", "hkb_1", "--baseline-model", "a", "--improved-model", "b"),
            *("--labels", str(secret), "--baseline", str(secret), "--improved", str(secret), "-o"),
        ],
    ):
        outcome = command(*arguments, str(secret))
        assert outcome.code == 2, arguments
        assert f"{secret} exists, and is not" in outcome.err
        assert secret.read_text() == before
    assert connected.requests == []


def test_the_same_commands_again_replace_their_own_files(
    command: Command, connected: ScriptedServer, tmp_path: Path
) -> None:
    path = str(tmp_path / "out")
    for arguments, document in (
        (["attest", "hkm_1", "-o"], IMPROVEMENT),
        (["log", "checkpoint", "-o"], {"checkpoint": VECTORS["checkpoint"]}),
        (["log", "consistency", "1", "5", "-o"], VECTORS["consistency"]),
        (["log", "export", "-o"], {**VECTORS["log_pages"][0], "next": None}),
        (["circuits", "r1cs", "--rows", "1"], None),
    ):
        for _ in range(2):
            connected.respond_with(Response(200, document))
            assert command(*arguments, path).code == 0, arguments
        Path(path).unlink()
    assert list(tmp_path.glob("out*")) == []


def test_a_full_disk_names_the_attestation_that_was_made(
    command: Command, connected: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected.respond_with(Response(201, IMPROVEMENT))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    outcome = command("attest", "hkm_1", "-o", str(tmp_path / "out"))
    assert outcome.code != 0
    assert os.strerror(errno.ENOSPC) in outcome.err
    assert IMPROVEMENT["hash"] in outcome.err
    assert not (tmp_path / "out").exists()
