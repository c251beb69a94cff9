"""A setting whose name is mistyped is reported at start and not silently ignored."""

import re
from pathlib import Path

import pytest

from app.core.settings import Settings
from app.core.unknown_settings import unknown_variables
from tests.support.serve_process import run


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("HOKUSAI_RATELIMIT", "HOKUSAI_RATE_LIMIT"),
        ("HOKUSAI_RATE_LIMITS", "HOKUSAI_RATE_LIMIT"),
        ("hokusai_trusted_proxy", "HOKUSAI_TRUSTED_PROXIES"),
        ("HOKUSAI_TENANCY_MODE", "HOKUSAI_TENANCY"),
    ],
)
def test_an_unknown_name_is_reported_with_the_most_similar_setting(name: str, nearest: str) -> None:
    (line,) = unknown_variables({name: "secret-value", "PATH": "/bin"})
    assert line == (
        f"warning: {name} is not a setting and is ignored; the most similar one is {nearest}"
    )


def test_a_name_that_resembles_no_setting_is_reported_too() -> None:
    (line,) = unknown_variables({"HOKUSAI_": ""})
    assert "HOKUSAI_ is not a setting" in line


def test_known_names_are_not_reported() -> None:
    known = {f"HOKUSAI_{name.upper()}": "" for name in Settings.model_fields}
    clients = {"HOKUSAI_URL": "", "HOKUSAI_API_KEY": "", "HOKUSAI_PRIVATE_KEY": ""}
    service = {
        "HOKUSAI_GATEWAY_SERVICE_HOST": "10.0.0.1",
        "HOKUSAI_GATEWAY_SERVICE_PORT_HTTP": "80",
        "HOKUSAI_GATEWAY_PORT": "tcp://10.0.0.1:80",
        "HOKUSAI_GATEWAY_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    lower = {"hokusai_port": "1"}
    assert list(unknown_variables(known | clients | service | lower)) == []


def test_variables_of_the_sdk_and_the_examples_are_not_reported() -> None:
    root = Path(__file__).resolve().parents[2]
    sources = [
        *(root / "hokusai-ml-platform" / "src").rglob("*.py"),
        *(path for path in (root / "examples").glob("*") if path.is_file()),
    ]
    names = {name for path in sources for name in re.findall(r"HOKUSAI_[A-Z_]+", path.read_text())}
    assert "HOKUSAI_ATTESTOR" in names
    assert list(unknown_variables(dict.fromkeys(names, ""))) == []


def test_serve_reports_them_before_anything_else() -> None:
    # It then goes on to the first wrong value, and ends.
    ended = run("serve", rate_limitt="5-is-not-repeated", port="eighty")
    first, *_ = ended.stderr.splitlines()
    assert first.startswith("warning: HOKUSAI_RATE_LIMITT is not a setting")
    assert "5-is-not-repeated" not in ended.stdout + ended.stderr
    assert ended.returncode == 2
