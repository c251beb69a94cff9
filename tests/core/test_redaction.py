"""API keys and access tokens are found in any text, and replaced."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.identity.key_format import new_key, new_token
from app.core.redaction import SECRET_PATTERN, has_secret, redact


@pytest.mark.parametrize("new_secret", [new_key, new_token])
def test_every_secret_in_a_text_is_replaced(new_secret: Callable[[], str]) -> None:
    one, other = new_secret(), new_secret()
    text = f'{{"key": "{one}"}} and {other}'
    assert has_secret(text)
    assert redact(text) == '{"key": "hk_[redacted]"} and hk_[redacted]'


@given(st.text())
def test_other_text_is_unchanged(text: str) -> None:
    assert not has_secret(text)
    assert redact(text) == text
    assert redact(f"hk_live_{text}") == f"hk_live_{text}"


def test_secret_scanners_find_a_key_in_a_text() -> None:
    key = new_key()
    assert re.findall(SECRET_PATTERN, f'export MLFLOW_TRACKING_TOKEN="{key}"; next') == [key]
