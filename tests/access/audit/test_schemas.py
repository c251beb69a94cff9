"""The filter of the audit log."""

import pytest

from app.access.audit.schemas import AuditFilter
from app.core.errors import InvalidParameterError
from app.rest.pagination import encode_cursor


def test_the_cursor_is_the_id_of_the_last_entry() -> None:
    assert AuditFilter().before is None
    assert AuditFilter(cursor=encode_cursor("42")).before == 42


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidParameterError):
        _ = AuditFilter(cursor=encode_cursor("acme")).before
