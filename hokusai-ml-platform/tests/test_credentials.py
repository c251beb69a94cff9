"""Where the credential is found and stored, and that messages never contain it."""

from __future__ import annotations

import pwd
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from hokusai.credentials import (
    credentials_path,
    delete_credential,
    resolve_credential,
    store_credential,
    stored_credential,
)
from hokusai.errors import CredentialError

ORIGIN = "https://registry.hokus.ai:443"


def resolve(variables: dict[str, str], **arguments: str) -> tuple[str, bool]:
    credential = resolve_credential(ORIGIN, environment=variables, **arguments)
    assert credential is not None
    return credential.secret, credential.is_wallet


def test_the_order_is_argument_then_variables_then_the_stored_key(tmp_path: Path) -> None:
    variables = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "MLFLOW_TRACKING_TOKEN": "tracking",
        "HOKUSAI_API_KEY": "key",
        "HOKUSAI_PRIVATE_KEY": "wallet",
    }
    store_credential(ORIGIN, "stored", variables)

    assert resolve(variables, api_key="argument") == ("argument", False)
    assert resolve(variables, private_key="argument") == ("argument", True)
    assert resolve(variables) == ("tracking", False)
    del variables["MLFLOW_TRACKING_TOKEN"]
    assert resolve(variables) == ("key", False)
    variables["HOKUSAI_API_KEY"] = " "
    assert resolve(variables) == ("wallet", True)
    del variables["HOKUSAI_PRIVATE_KEY"]
    assert resolve(variables) == ("stored", False)


def test_without_a_home_directory_only_storing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME", raising=False)
    assert resolve_credential(ORIGIN, environment={}) is None
    assert resolve({"HOKUSAI_API_KEY": "key"}) == ("key", False)
    assert delete_credential(ORIGIN, {}) is False
    with pytest.raises(CredentialError, match="Set HOME or XDG_CONFIG_HOME"):
        store_credential(ORIGIN, "key", {})


def test_two_arguments_are_rejected() -> None:
    with pytest.raises(CredentialError, match="not both"):
        resolve_credential(ORIGIN, "a", "b")


@pytest.mark.parametrize("secret", ["", "two words", "tail\r\nX-Evil: 1", "schlüssel"])
def test_a_secret_that_no_header_can_hold_is_rejected_and_not_repeated(secret: str) -> None:
    with pytest.raises(CredentialError) as raised:
        resolve_credential(ORIGIN, secret)

    assert not secret or secret not in str(raised.value)


def test_the_representation_does_not_contain_the_secret() -> None:
    assert "hk_live" not in repr(resolve_credential(ORIGIN, "hk_live_secret"))


def test_a_stored_key_is_used_for_its_own_gateway_only() -> None:
    store_credential(ORIGIN, "hk_live_stored")

    for other in ("https://registry.hokus.ai:8443", "http://registry.hokus.ai:80", "https://x:443"):
        assert resolve_credential(other) is None


def test_storing_and_deleting_keep_the_keys_of_other_gateways() -> None:
    path = store_credential(ORIGIN, "one")
    store_credential("https://other:443", "two")

    assert path == credentials_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["credentials"]
    assert delete_credential(ORIGIN)
    assert not delete_credential(ORIGIN)
    other = stored_credential("https://other:443")
    assert other is not None
    assert (other.secret, other.source) == ("two", str(path))


def test_a_file_that_other_users_can_read_is_rejected() -> None:
    path = store_credential(ORIGIN, "hk_live_stored")
    path.chmod(0o644)

    with pytest.raises(CredentialError, match="chmod 600"):
        resolve_credential(ORIGIN)


@pytest.mark.parametrize("content", ["", "[]", "{", "\0"])
def test_a_file_that_is_not_valid_is_an_error(content: str) -> None:
    path = store_credential(ORIGIN, "hk_live_stored")
    path.write_text(content)

    with pytest.raises(CredentialError, match="credentials"):
        resolve_credential(ORIGIN)


@pytest.mark.parametrize("entry", ["[]", '{"api_key": 7}'])
def test_an_entry_that_is_not_valid_is_ignored(entry: str) -> None:
    path = store_credential(ORIGIN, "hk_live_stored")
    path.write_text(f'{{"{ORIGIN}": {entry}}}')

    assert resolve_credential(ORIGIN) is None


def test_a_file_that_cannot_be_written_is_an_error() -> None:
    directory = credentials_path().parent
    directory.parent.mkdir(parents=True)
    directory.write_text("a file where the directory has to be")

    with pytest.raises(CredentialError, match="cannot be read: NotADirectoryError"):
        store_credential(ORIGIN, "hk_live_stored")


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hokusai.credentials.write_private_json", fail)
    with pytest.raises(CredentialError, match="cannot be written: No space left on device"):
        store_credential(ORIGIN, "hk_live_stored")


def test_a_relative_configuration_directory_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert credentials_path({"XDG_CONFIG_HOME": "relative"}) == Path(
        "/home/somebody/.config/hokusai/credentials"
    )
