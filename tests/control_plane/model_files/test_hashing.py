"""Digests of a model's files against those of other people's programs (see make_vectors.py)."""

import json
import random
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from app.control_plane.model_files.hashing import (
    ModelFile,
    list_digest,
    oms_files,
    oms_root,
    weights_root,
)

FILE = (
    Path(__file__).parents[3] / "hokusai-ml-platform" / "tests" / "vectors" / "model_files_v1.json"
)
VECTORS: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))


def _files(vector: dict[str, Any]) -> list[ModelFile]:
    return [ModelFile(one["path"], one["size"], one["sha256"]) for one in vector["files"]]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["files"][0]["path"])
def test_both_digests_are_those_of_other_programs(vector: dict[str, Any]) -> None:
    files = _files(vector)
    assert oms_root(files) == vector["oms_root"]
    assert weights_root(files) == vector["weights"]
    random.Random(1).shuffle(files)
    assert (oms_root(files), weights_root(files)) == (vector["oms_root"], vector["weights"])


def test_the_vectors_have_what_the_two_digests_treat_differently() -> None:
    paths = [{one["path"] for one in vector["files"]} for vector in VECTORS]
    assert any(".gitignore" in one for one in paths)
    assert any({"a-b", "a/b"} <= one for one in paths)
    assert any(vector["weights"] is None for vector in VECTORS)
    assert {len(vector["files"]) for vector in VECTORS} >= set(range(1, 14))


def test_parts_of_paths_are_compared_and_not_the_text() -> None:
    files = [ModelFile(path, 0, sha256(path.encode()).hexdigest()) for path in ("a-b", "a/b")]
    assert [file.path for file in oms_files(files)] == ["a/b", "a-b"]


def test_the_weakness_of_the_platforms_digest_is_as_documented() -> None:
    digests = [sha256(text).hexdigest() for text in (b"a", b"b", b"c")]
    three = [ModelFile(str(i), 1, digest) for i, digest in enumerate(digests)]
    four = [*three, ModelFile("3", 1, digests[2])]
    assert weights_root(three) == weights_root(four)
    assert oms_root(three) != oms_root(four)


def test_only_the_digest_of_the_list_binds_the_paths() -> None:
    digests = [sha256(text).hexdigest() for text in (b"a", b"b")]
    files = [ModelFile("a.py.txt", 1, digests[0]), ModelFile("b", 1, digests[1])]
    renamed = [ModelFile("a.py", 1, digests[0]), files[1]]
    hidden = [*files, ModelFile(".github/hook", 1, digests[0])]
    assert oms_root(files) == oms_root(renamed) == oms_root(hidden)
    assert len({list_digest(one) for one in (files, renamed, hidden)}) == 3
    assert list_digest(files) == list_digest(reversed(files))
    text = json.dumps([file._asdict() for file in files], sort_keys=True)
    assert list_digest(files) == sha256(text.encode()).hexdigest()
