"""Where the one credential comes from, for the SDK and the MLflow client alike."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from hokusai.errors import CredentialError

# In the order in which they are looked at, after what is passed and before the stored one.
KEY_VARIABLES = ("MLFLOW_TRACKING_TOKEN", "HOKUSAI_API_KEY")
WALLET_VARIABLE = "HOKUSAI_PRIVATE_KEY"


@dataclass(frozen=True)
class Credential:
    """An API key (or a token), or a wallet's private key.

    source: where it was found, for messages. The secret is in neither `repr` nor any message.
    """

    secret: str = field(repr=False)
    is_wallet: bool
    source: str


def resolve_credential(
    origin: str,
    api_key: str | None = None,
    private_key: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Credential | None:
    """The first that there is: argument, environment, or what `hokusai login` stored for `origin`.

    Raises CredentialError for two at once, for one that cannot go into a header, and for a file
    that other users of the machine can read.
    """
    if api_key is not None and private_key is not None:
        raise CredentialError("Pass api_key or private_key, not both.")
    if api_key is not None:
        return _credential(api_key, False, "the argument api_key")
    if private_key is not None:
        return _credential(private_key, True, "the argument private_key")
    variables = os.environ if environment is None else environment
    for name in KEY_VARIABLES:
        if variables.get(name, "").strip():
            return _credential(variables[name], False, name)
    if variables.get(WALLET_VARIABLE, "").strip():
        return _credential(variables[WALLET_VARIABLE], True, WALLET_VARIABLE)
    return stored_credential(origin, environment)


def _credential(secret: str, is_wallet: bool, source: str) -> Credential:
    secret = secret.strip()
    # What a header cannot hold would come back in the error of the library that refuses it.
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise CredentialError(
            f"The credential in {source} is empty or has spaces or characters that no key has."
        )
    return Credential(secret, is_wallet, source)


def credentials_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where `hokusai login` stores keys: `hokusai/credentials` in the user's configuration."""
    variables = os.environ if environment is None else environment
    configured = variables.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification has relative paths ignored.
    root = Path(configured) if os.path.isabs(configured) else Path.home() / ".config"
    return root / "hokusai" / "credentials"


def stored_credential(
    origin: str, environment: Mapping[str, str] | None = None
) -> Credential | None:
    """The key that is stored for this gateway and no other.

    Raises CredentialError for a file that cannot be read, or that others can read.
    """
    path = credentials_path(environment)
    found = _read(path).get(origin)
    if not isinstance(found, dict) or not isinstance(found.get("api_key"), str):
        return None
    return _credential(found["api_key"], False, str(path))


def store_credential(
    origin: str, api_key: str, environment: Mapping[str, str] | None = None
) -> Path:
    """Store a gateway's key, mode 0600, and leave the other gateways' as they are: the file.

    Raises CredentialError for a key that is none, or a file that cannot be read or written.
    """
    path = credentials_path(environment)
    stored = _read(path)
    stored[origin] = {"api_key": _credential(api_key, False, "what was entered").secret}
    _write(path, stored)
    return path


def delete_credential(origin: str, environment: Mapping[str, str] | None = None) -> bool:
    """Remove a gateway's key: whether there was one."""
    path = credentials_path(environment)
    stored = _read(path)
    if stored.pop(origin, None) is None:
        return False
    _write(path, stored)
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & (
                stat.S_IRWXG | stat.S_IRWXO
            ):
                raise CredentialError(f"Others can read {path}. Run: chmod 600 {path}")
            document = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CredentialError(f"{path} cannot be read: {type(error).__name__}.") from None
    if not isinstance(document, dict):
        raise CredentialError(f"{path} is not a file of `hokusai login`.")
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp makes the file for its owner only; renaming it leaves no half-written one.
        handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=".credentials-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(document, file, indent=2)
                file.write("\n")
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise CredentialError(f"{path} cannot be written: {error.strerror}.") from None
