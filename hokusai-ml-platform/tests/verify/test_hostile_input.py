"""Whatever it is given, verifying answers with a report, or with an error of its own."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hokusai.verify import DocumentError, LogExport, verify
from hokusai.verify.checkpoint import LogKey, parse_checkpoint
from vector_file import IMPROVEMENT, KNOWN, VECTORS, changed, leaves

EXPORT = LogExport.read(VECTORS["log_pages"])
PATHS = [path for path, _ in leaves(IMPROVEMENT)]
# Also the places above the leaves.
PLACES = sorted({path[:size] for path in PATHS for size in range(1, len(path) + 1)}, key=str)
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


def judged(document: Any) -> None:
    """A report that does not believe it, or a DocumentError; no other error."""
    try:
        report = verify(document, known=KNOWN, log=EXPORT, checkpoint=VECTORS["early_checkpoint"])
    except DocumentError:
        return
    assert not report.ok
    json.dumps(report.as_dict())


@settings(deadline=None)
@given(anything)
def test_any_document_is_judged(document: Any) -> None:
    judged(document)
    judged(json.dumps(document))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), anything)
def test_anything_at_any_place_is_judged(path: tuple[Any, ...], value: Any) -> None:
    document = changed(IMPROVEMENT, path, value)
    try:
        report = verify(document, known=KNOWN, log=EXPORT, checkpoint=VECTORS["early_checkpoint"])
    except DocumentError:
        return
    json.dumps(report.as_dict())
    if report.ok:
        # Only what nothing stands on may be left out, and the same may be said again.
        place = IMPROVEMENT
        for step in path:
            place = place[step]
        assert value == place or value is None or path == ("eas", "sig", "types")


@settings(deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_judged(text: Any) -> None:
    judged(text)


@settings(deadline=None)
@given(st.text() | st.builds("{}\n{}\n{}\n\n— {} {}\n".format, *[st.text(max_size=12)] * 5))
def test_any_checkpoint_is_judged(note: str) -> None:
    key = LogKey(KNOWN["log"]["key"])
    try:
        found = parse_checkpoint(note, [key])
    except ValueError:
        found = None
    if found is None:
        with pytest.raises(DocumentError, match="is not a valid checkpoint"):
            verify(IMPROVEMENT, known=KNOWN, checkpoint=note)
    else:
        assert found.signed_by is None
        assert not verify(IMPROVEMENT, known=KNOWN, checkpoint=note).ok


@settings(deadline=None)
@given(anything)
def test_any_export_and_any_proof_is_judged(given: Any) -> None:
    with contextlib.suppress(DocumentError):
        LogExport.read(given if isinstance(given, (list, dict, str)) else {"entries": given})
    if isinstance(given, dict):
        try:
            report = verify(
                IMPROVEMENT,
                known=KNOWN,
                checkpoint=VECTORS["early_checkpoint"],
                consistency=given,
            )
        except DocumentError:
            return
        assert report["consistency"].result != "holds"


@settings(deadline=None)
@given(anything.filter(lambda document: document is not None))
def test_any_well_known_document_is_judged(known: Any) -> None:
    with pytest.raises(DocumentError):
        verify(IMPROVEMENT, known=known)


def test_what_holds_itself_is_refused() -> None:
    document: dict[str, Any] = {}
    document["data"] = document
    with pytest.raises(DocumentError, match="nested"):
        verify(document)


def test_few_objects_in_many_places_are_refused() -> None:
    document: Any = "x"
    for _ in range(30):
        document = [document] * 4
    with pytest.raises(DocumentError, match="values"):
        verify({"data": document})
