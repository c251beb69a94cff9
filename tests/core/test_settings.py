"""What is said of wrong settings when the gateway starts."""

import pytest

from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from tests.support.plain_words import what_is_not_plain

WRONG = ["wrong", "-1", "0", "1.5", "1e999", "9" * 5000, "a,b", "[]", "{}", "http://[", "://@:x/"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_wrong_setting_is_named_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    variable = f"HOKUSAI_{name.upper()}"
    for value in WRONG:
        monkeypatch.setenv(variable, value)
        try:
            load_settings()
        except StartupError as error:
            said = str(error)
            assert variable in said, value
            assert what_is_not_plain(said) == [], value
            assert "\n" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "eighty", "HOKUSAI_PORT: must be a whole number from 0 to 65535"),
        ("WORKERS", "0", "HOKUSAI_WORKERS: must be a whole number of at least 1"),
        ("TENANCY", "none", "HOKUSAI_TENANCY: must be one of workspaces, shared"),
        ("DIRECT_ARTIFACTS", "maybe", "HOKUSAI_DIRECT_ARTIFACTS: must be true or false"),
        ("LOG_ORIGIN", "two words", "HOKUSAI_LOG_ORIGIN: must be a name without spaces and plus"),
        ("MLFLOW_URL", "http://host:99999", "HOKUSAI_MLFLOW_URL: must be a URL with a valid host"),
        ("BODY_TIMEOUT", "inf", "HOKUSAI_BODY_TIMEOUT: must be finite: a number above 0"),
    ],
)
def test_what_would_be_right_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"HOKUSAI_{name}", value)
    with pytest.raises(StartupError) as caught:
        load_settings()
    assert str(caught.value).startswith(said)


def test_a_password_in_a_wrong_url_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    # U+2100 becomes a/c, which would move the end of the host; Python's error shows all of it.
    for name, scheme in (("REDIS_URL", "redis"), ("MLFLOW_URL", "http")):
        monkeypatch.setenv(f"HOKUSAI_{name}", f"{scheme}://u:hidden@host\u2100/")
        with pytest.raises(StartupError, match=name) as caught:
            load_settings()
        assert "hidden" not in str(caught.value)
        monkeypatch.delenv(f"HOKUSAI_{name}")
