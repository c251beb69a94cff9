"""Where the credential comes from, and where it is never shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hokusai.credentials import (
    credentials_path,
    delete_credential,
    resolve_credential,
    store_credential,
)
from hokusai.errors import CredentialError

HERE = "https://registry.hokus.ai:443"


def found(variables: dict[str, str], **arguments: str) -> tuple[str, bool]:
    credential = resolve_credential(HERE, environment=variables, **arguments)
    assert credential is not None
    return credential.secret, credential.is_wallet


def test_the_order_is_argument_then_variables_then_the_stored_one(tmp_path: Path) -> None:
    variables = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "MLFLOW_TRACKING_TOKEN": "tracking",
        "HOKUSAI_API_KEY": "key",
        "HOKUSAI_PRIVATE_KEY": "wallet",
    }
    store_credential(HERE, "stored", variables)

    assert found(variables, api_key="argument") == ("argument", False)
    assert found(variables, private_key="argument") == ("argument", True)
    assert found(variables) == ("tracking", False)
    del variables["MLFLOW_TRACKING_TOKEN"]
    assert found(variables) == ("key", False)
    variables["HOKUSAI_API_KEY"] = " "
    assert found(variables) == ("wallet", True)
    del variables["HOKUSAI_PRIVATE_KEY"]
    assert found(variables) == ("stored", False)


def test_two_arguments_are_one_too_many() -> None:
    with pytest.raises(CredentialError, match="not both"):
        resolve_credential(HERE, "a", "b")


@pytest.mark.parametrize("secret", ["", "two words", "tail\r\nX-Evil: 1", "schlüssel"])
def test_what_no_header_can_hold_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(CredentialError) as refused:
        resolve_credential(HERE, secret)

    assert not secret or secret not in str(refused.value)


def test_the_secret_is_not_in_its_representation() -> None:
    assert "hk_live" not in repr(resolve_credential(HERE, "hk_live_secret"))


def test_a_stored_key_is_for_its_own_gateway_only() -> None:
    store_credential(HERE, "hk_live_stored")

    for other in ("https://registry.hokus.ai:8443", "http://registry.hokus.ai:80", "https://x:443"):
        assert resolve_credential(other) is None


def test_the_file_is_its_owners_and_keeps_the_other_gateways() -> None:
    path = store_credential(HERE, "one")
    store_credential("https://other:443", "two")

    assert path == credentials_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["credentials"]
    assert delete_credential(HERE)
    assert not delete_credential(HERE)
    other = resolve_credential("https://other:443")
    assert other is not None
    assert other.secret == "two"


def test_a_file_that_others_can_read_is_refused() -> None:
    path = store_credential(HERE, "hk_live_stored")
    path.chmod(0o644)

    with pytest.raises(CredentialError, match="chmod 600"):
        resolve_credential(HERE)


@pytest.mark.parametrize("content", ["", "[]", "{", "\0"])
def test_a_spoiled_file_is_told_not_ignored(content: str) -> None:
    path = store_credential(HERE, "hk_live_stored")
    path.write_text(content)

    with pytest.raises(CredentialError, match="credentials"):
        resolve_credential(HERE)


def test_a_relative_configuration_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert credentials_path({"XDG_CONFIG_HOME": "relative"}) == Path(
        "/home/somebody/.config/hokusai/credentials"
    )
