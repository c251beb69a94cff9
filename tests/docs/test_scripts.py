"""The scripts of the site are those of the release that is named, or none."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from docs.tools import scripts
from docs.tools.scripts import Package, ScriptsError, fetch, unpack


def archive(path: Path, files: dict[str, bytes]) -> str:
    """Write an archive as npm packs one, and give its hash."""
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_the_files_of_the_expected_archive_are_taken(tmp_path: Path) -> None:
    packed = tmp_path / "a-1.tgz"
    files = {"dist/a.js": b"a()", "LICENSE": b"MIT", "other.js": b"b()"}
    sha512 = archive(packed, files)

    unpack(Package("a", "1", sha512, ("dist/a.js", "LICENSE")), packed, tmp_path / "made")

    found = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    assert found == {"a.js": b"a()", "LICENSE": b"MIT"}


def test_another_archive_is_refused(tmp_path: Path) -> None:
    packed = tmp_path / "a-1.tgz"
    archive(packed, {"a.js": b"evil()"})

    with pytest.raises(ScriptsError, match="not the release"):
        unpack(Package("a", "1", "AAAA", ("a.js",)), packed, tmp_path / "made")

    assert not (tmp_path / "made").exists()


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "a-1").mkdir()

    assert fetch(Package("a", "1", "", ()), tmp_path) == tmp_path / "a-1"


def test_without_npm_it_is_said_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ScriptsError, match="npm is needed to fetch a@1"):
        fetch(Package("a", "1", "", ()), tmp_path / "cache")


def test_every_script_comes_with_its_licence() -> None:
    assert all("LICENSE" in package.files for package in scripts.PACKAGES)
