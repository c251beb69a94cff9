"""The field types that request schemas share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from app.access.identity.key_format import new_key, new_token
from app.rest.fields import ByLabel, Label, Moment, refuse_secret

label: TypeAdapter[str] = TypeAdapter(Label)
moment: TypeAdapter[datetime] = TypeAdapter(Moment)
by_label: TypeAdapter[dict[str, Any]] = TypeAdapter(Annotated[dict[Label, int], ByLabel])


@pytest.mark.parametrize("text", ["a", "a b", "ünï", "x" * 200])
def test_a_label_is_one_line_of_printable_text(text: str) -> None:
    assert label.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb", "a\tb", "a\0", "\x7f", 5, None])
def test_another_value_is_not_a_label(text: object) -> None:
    with pytest.raises(ValidationError):
        label.validate_python(text)


@pytest.mark.parametrize("new_secret", [new_key, new_token])
def test_a_secret_is_refused_without_repeating_it(new_secret: Callable[[], str]) -> None:
    secret = new_secret()
    with pytest.raises(ValueError, match="must not contain an API key") as caught:
        refuse_secret(f"my key is {secret}")
    assert secret not in str(caught.value)
    with pytest.raises(ValidationError, match="must not contain an API key"):
        label.validate_python(secret)
    assert refuse_secret("no secret") == "no secret"


@pytest.mark.parametrize(
    "text", ["2026-01-31T23:59:59Z", "2026-02-01T05:44:59+05:45", "2026-01-31 23:59:59+00:00"]
)
def test_a_time_is_converted_to_utc(text: str) -> None:
    time = moment.validate_python(text)
    assert time == datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert time.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1769903999", "must be a time such as 2026-01-31T23:59:59Z"),
        ("yesterday", "must be a time such as 2026-01-31T23:59:59Z"),
        ("2026-01-31T23:59:59", "timezone"),
        ("0001-01-01T00:00:00+14:00", "1 to 9999"),
        ("9999-12-31T23:59:59-14:00", "1 to 9999"),
    ],
)
def test_another_text_is_not_a_time(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        moment.validate_python(text)


def test_a_dict_by_label_describes_that_other_keys_are_refused() -> None:
    assert by_label.validate_python({"a": 1}) == {"a": 1}
    with pytest.raises(ValidationError):
        by_label.validate_python({"a\n": 1})
    assert by_label.json_schema()["additionalProperties"] is False
