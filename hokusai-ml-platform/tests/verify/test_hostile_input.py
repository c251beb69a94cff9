"""Arbitrary input leads to a report or to one of the SDK's own errors, never to another one."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hokusai.verify import DocumentError, LogExport, verify
from hokusai.verify.checkpoint import LogKey, parse_checkpoint
from vector_file import EXPORT, IMPROVEMENT, KNOWN, VECTORS, changed, leaves

PATHS = [path for path, _ in leaves(IMPROVEMENT)]
# The paths of objects and lists too.
ALL_PATHS = sorted({path[:size] for path in PATHS for size in range(1, len(path) + 1)}, key=str)
NAMES = sorted({step for path in PATHS for step in path if isinstance(step, str)})

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0x", "0x" + "ff" * 32, "0x" + "ff" * 65, "ff" * 32, "1" * 20, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=12,
)


def assert_rejected(document: Any) -> None:
    """There is a report that does not pass, or a DocumentError."""
    try:
        report = verify(document, known=KNOWN, log=EXPORT, checkpoint=VECTORS["early_checkpoint"])
    except DocumentError:
        return
    assert not report.ok
    json.dumps(report.as_dict())


@settings(deadline=None)
@given(anything)
def test_any_document_is_rejected(document: Any) -> None:
    assert_rejected(document)
    assert_rejected(json.dumps(document))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(ALL_PATHS), anything)
def test_any_value_at_any_path_is_rejected(path: tuple[Any, ...], value: Any) -> None:
    document = changed(IMPROVEMENT, path, value)
    try:
        report = verify(document, known=KNOWN, log=EXPORT, checkpoint=VECTORS["early_checkpoint"])
    except DocumentError:
        return
    json.dumps(report.as_dict())
    if report.ok:
        # Only an optional member was left out, or the value has the same meaning.
        original = IMPROVEMENT
        for step in path:
            original = original[step]
        assert value == original or value is None or path == ("eas", "sig", "types")


@settings(deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_rejected(text: Any) -> None:
    assert_rejected(text)


@settings(deadline=None)
@given(st.text() | st.builds("{}\n{}\n{}\n\n— {} {}\n".format, *[st.text(max_size=12)] * 5))
def test_any_checkpoint_is_rejected(note: str) -> None:
    key = LogKey(KNOWN["log"]["key"])
    try:
        checkpoint = parse_checkpoint(note, [key])
    except ValueError:
        checkpoint = None
    if checkpoint is None:
        with pytest.raises(DocumentError, match="is not a valid checkpoint"):
            verify(IMPROVEMENT, known=KNOWN, checkpoint=note)
    else:
        assert checkpoint.signed_by is None
        assert not verify(IMPROVEMENT, known=KNOWN, checkpoint=note).ok


@settings(deadline=None)
@given(anything)
def test_any_export_and_any_consistency_proof_is_rejected(document: Any) -> None:
    with contextlib.suppress(DocumentError):
        is_export = isinstance(document, (list, dict, str))
        LogExport.read(document if is_export else {"entries": document})
    if isinstance(document, dict):
        try:
            report = verify(
                IMPROVEMENT,
                known=KNOWN,
                checkpoint=VECTORS["early_checkpoint"],
                consistency=document,
            )
        except DocumentError:
            return
        assert report["consistency"].result != "holds"


@settings(deadline=None)
@given(anything.filter(lambda document: document is not None))
def test_any_well_known_document_is_rejected(known: Any) -> None:
    with pytest.raises(DocumentError):
        verify(IMPROVEMENT, known=known)


def test_a_document_that_contains_itself_is_rejected() -> None:
    document: dict[str, Any] = {}
    document["data"] = document
    with pytest.raises(DocumentError, match="nested"):
        verify(document)


def test_few_objects_in_many_places_are_rejected() -> None:
    document: Any = "x"
    for _ in range(30):
        document = [document] * 4
    with pytest.raises(DocumentError, match="values"):
        verify({"data": document})
