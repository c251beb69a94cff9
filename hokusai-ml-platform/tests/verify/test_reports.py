"""The reports that the JavaScript package has to agree with are those of this package."""

from __future__ import annotations

import json

from make_reports import PATH, reports


def test_the_file_is_up_to_date() -> None:
    """`python hokusai-ml-platform/tests/make_reports.py` makes it."""
    assert json.loads(PATH.read_text(encoding="utf-8")) == json.loads(json.dumps(reports()))
