"""Reading members of documents that may have any shape."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from hokusai.verify.json_fields import (
    CheckFailed,
    hashes_at,
    integer_at,
    list_at,
    member,
    object_at,
    text_at,
    texts_at,
)

DIGEST = "ab" * 32
DOCUMENT = {
    "object": {"inner": None},
    "list": [1],
    "text": "a",
    "texts": ["a", "b"],
    "integer": 0,
    "hashes": [DIGEST],
}


def test_a_member_is_found_by_its_path() -> None:
    assert member(DOCUMENT, "object", "inner") is None
    assert object_at(DOCUMENT, "object") == {"inner": None}
    assert list_at(DOCUMENT, "list") == [1]
    assert text_at(DOCUMENT, "text") == "a"
    assert texts_at(DOCUMENT, "texts") == ["a", "b"]
    assert integer_at(DOCUMENT, "integer") == 0
    assert hashes_at(DOCUMENT, "hashes") == [bytes.fromhex(DIGEST)]


@pytest.mark.parametrize("document", [{}, [], None, "text", {"object": 7}])
def test_a_missing_member_fails(document: Any) -> None:
    with pytest.raises(CheckFailed, match=r"object\.inner is missing"):
        member(document, "object", "inner")


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (object_at, [], "is not an object"),
        (list_at, {}, "is not a list"),
        (text_at, 7, "is not text"),
        (texts_at, ["a", 7], "has a member that is not text"),
        (texts_at, "a", "is not a list"),
        (integer_at, -1, "is not a non-negative integer"),
        (integer_at, True, "is not a non-negative integer"),
        (integer_at, 1.0, "is not a non-negative integer"),
        (hashes_at, ["ab"], "64 hexadecimal digits"),
        (hashes_at, ["zz" * 32], "64 hexadecimal digits"),
        (hashes_at, ["a " * 32], "64 hexadecimal digits"),
        (hashes_at, [7], "64 hexadecimal digits"),
    ],
)
def test_a_member_of_another_type_fails(read: Callable[..., Any], value: Any, message: str) -> None:
    with pytest.raises(CheckFailed, match=f"^name {message}|^name has a member .*{message}"):
        read({"name": value}, "name")
