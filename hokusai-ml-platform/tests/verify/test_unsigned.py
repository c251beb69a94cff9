"""Members of a document that nobody signed."""

from __future__ import annotations

import pytest

from hokusai.verify import verify
from hokusai.verify.unsigned import MAX_LISTED
from vector_file import IMPROVEMENT, KNOWN, VECTORS, changed


@pytest.mark.parametrize("name", list(VECTORS["attestations"]))
def test_what_a_gateway_issues_has_none(name: str) -> None:
    assert verify(VECTORS["attestations"][name], known=KNOWN).unsigned == ()


@pytest.mark.parametrize(
    "path",
    ["note", "signature.note", "eas.note", "eas.sig.note", "eas.sig.signature.yParity", "log.note"],
)
def test_an_added_member_is_named_and_changes_nothing_else(path: str) -> None:
    report = verify(changed(IMPROVEMENT, tuple(path.split(".")), "x"), known=KNOWN)
    assert report.unsigned == (path,)
    assert report.as_dict()["unsigned"] == [path]
    assert report.ok


def test_their_number_and_their_names_are_bounded() -> None:
    document = {**IMPROVEMENT, **{f"{i}" * 1000: i for i in range(MAX_LISTED + 10)}}
    unsigned = verify(document, known=KNOWN).unsigned
    assert len(unsigned) == MAX_LISTED
    assert max(map(len, unsigned)) == 100
