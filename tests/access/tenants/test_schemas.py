"""The request to create a tenant describes the names that are accepted."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.access.tenants.names import tenant_name
from app.access.tenants.schemas import TenantRequest
from app.core.errors import UnprocessableError

PATTERN = TenantRequest.model_json_schema()["properties"]["name"]["pattern"]


@given(st.text(max_size=70) | st.from_regex(PATTERN, fullmatch=True))
def test_the_documented_pattern_is_that_of_valid_names(text: str) -> None:
    try:
        tenant_name(text)
    except UnprocessableError:
        assert re.fullmatch(PATTERN, text) is None
    else:
        assert re.fullmatch(PATTERN, text) is not None
