"""Hashing a directory, and comparing it with an attestation and with a list of files."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from hokusai.errors import DocumentError, InputError
from hokusai.verify import Check, Result, verify
from hokusai.verify.model_files import (
    ModelFile,
    hash_directory,
    list_digest,
    oms_root,
    parse_files,
    path_problem,
)
from hokusai.verify.strict_json import canonical_json

FILE = Path(__file__).parents[1] / "vectors" / "model_files_v1.json"
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
FILES = {"MLmodel": "flavors: {}\n", "data/model.pkl": "weights", "data/empty": ""}


def make(root: Path, files: dict[str, str]) -> Path:
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return root


def check(model: Path, attested: Any, files: Any = None, baseline: Any = None) -> Check:
    """The check of a directory against an attestation with this member `files`."""
    data = {"kind": "witnessed", "files": attested, "baseline": {"files": baseline}}
    text = canonical_json(data)
    document = {"bytes": text, "hash": hashlib.sha256(text.encode()).hexdigest(), "data": data}
    return verify(document, model=model, files=files)["model"]


def attested(directory: Path) -> dict[str, Any]:
    files = hash_directory(directory)
    return {
        "sha256": oms_root(files),
        "list_sha256": list_digest(files),
        "evidence": "witnessed",
        "count": len(files),
    }


def listing(directory: Path) -> dict[str, Any]:
    return {"items": [file._asdict() for file in hash_directory(directory)]}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["files"][0]["path"])
def test_directories_have_the_digest_of_other_programs(
    vector: dict[str, Any], tmp_path: Path
) -> None:
    make(tmp_path, {one["path"]: one["content"] for one in vector["files"]})
    files = hash_directory(tmp_path)

    assert files == sorted(
        ModelFile(one["path"], one["size"], one["sha256"]) for one in vector["files"]
    )
    assert oms_root(files) == vector["oms_root"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_refused_unless_they_are_followed(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    make(tmp_path / "other", {"secret": "elsewhere"})
    (model / "link").symlink_to(tmp_path / "other" / "secret")
    with pytest.raises(DocumentError, match="link is a symbolic link"):
        hash_directory(model)
    followed = {file.path: file for file in hash_directory(model, follow_links=True)}
    assert followed["link"].sha256 == hashlib.sha256(b"elsewhere").hexdigest()
    (model / "link").unlink()
    (model / "directory").symlink_to(tmp_path / "other")
    with pytest.raises(DocumentError, match="directory is a symbolic link"):
        hash_directory(model)
    # As MLflow, which does not enter it.
    assert {file.path for file in hash_directory(model, follow_links=True)} == FILES.keys()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DocumentError, match="neither a file nor a directory"):
        hash_directory(tmp_path)
    with pytest.raises(DocumentError, match="not a directory"):
        hash_directory(tmp_path / "missing")


def test_the_attested_files_hold(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    assert check(model, attested(model)).result is Result.HOLDS
    held = check(model, attested(model), listing(model))
    assert (held.result, held.detail) == (
        Result.HOLDS,
        "all 3 files are those of the attested model (witnessed)",
    )


@pytest.mark.parametrize(
    ("path", "content", "named"),
    [
        ("MLmodel", "another", "MLmodel is different"),
        ("data/empty", "x", "data/empty is different"),
        ("more", "", "more is not in the list"),
    ],
)
def test_files_that_differ_are_named_where_the_list_is_known(
    tmp_path: Path, path: str, content: str, named: str
) -> None:
    model = make(tmp_path / "model", FILES)
    before, files = attested(model), listing(model)
    make(model, {path: content})
    failed = check(model, before)
    assert failed.result is Result.FAILS
    assert named not in failed.detail
    assert named in check(model, before, files).detail


def test_a_missing_and_a_renamed_file_are_found_with_the_list(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    before, files = attested(model), listing(model)
    (model / "MLmodel").rename(model / "MLmodel2")
    assert check(model, before).result is Result.FAILS
    assert "MLmodel is missing" in check(model, before, files).detail


def test_the_baselines_files_and_a_foreign_list_are_recognised(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    other = make(tmp_path / "other", {"MLmodel": "baseline"})
    found = check(other, attested(model), baseline=attested(other))
    assert (found.result, "of the baseline" in found.detail) == (Result.FAILS, True)
    foreign = check(model, attested(model), listing(other))
    assert (foreign.result, "list" in foreign.detail) == (Result.FAILS, True)


def test_an_attestation_without_files_says_nothing_of_them(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    nothing: tuple[Any, ...] = (None, {}, "x")
    for none in nothing:
        assert check(model, none).result is Result.FAILS
    document = {"bytes": "{}", "hash": "0" * 64}
    assert verify(document, model=model)["model"].result is Result.UNCHECKED
    with pytest.raises(InputError, match="directory"):
        verify(document, files=listing(model))


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "..", "../x", "a/../b", "./a", "a//b", "a/", "a\\b", "a\nb"),
        *("x" * 256, "/".join("x" * 33), "\ud800"),
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str) -> None:
    assert path_problem(path) is not None
    with pytest.raises(DocumentError):
        parse_files({"items": [{"path": path, "size": 1, "sha256": "0" * 64}]})


@pytest.mark.parametrize(
    "items",
    [
        None,
        {},
        [7],
        [{"path": "a", "size": True, "sha256": "0" * 64}],
        [{"path": "a", "size": -1, "sha256": "0" * 64}],
        [{"path": "a", "size": 1, "sha256": "0" * 63}],
        [{"path": "a", "size": 1, "sha256": "0" * 64}] * 2,
        [{"path": path, "size": 1, "sha256": "0" * 64} for path in ("a", "a/b")],
        [{"path": path, "size": 1, "sha256": "0" * 64} for path in ("é", "e\u0301")],
    ],
)
def test_what_is_no_list_of_files_is_refused(items: Any) -> None:
    with pytest.raises(DocumentError):
        parse_files({"items": items})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # In the same place of the order, so that the root of OpenSSF Model Signing is the same.
        ("data/model.pkl", "data/model.pkl.py"),
        # Something that the root leaves out.
        (None, ".github/hook"),
    ],
)
def test_a_renamed_or_left_out_file_is_not_that_of_the_model_whatever_the_list_says(
    tmp_path: Path, before: str | None, after: str
) -> None:
    model = make(tmp_path / "model", FILES)
    known = attested(model)
    if before is not None:
        (model / before).rename(model / after)
    else:
        make(model, {after: "anything"})
    assert oms_root(hash_directory(model)) == known["sha256"]
    assert check(model, known).result is Result.FAILS
    assert check(model, known, listing(model)).result is Result.FAILS
    # Of an attestation of a gateway that attested no names, the result says so.
    old = {name: value for name, value in known.items() if name != "list_sha256"}
    assert "names are not attested" in check(model, old, listing(model)).detail
