"""Finding the caller's credential, which the SDK and the MLflow client share, and storing keys."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

from hokusai.errors import CredentialError
from hokusai.private_files import private_path, write_private_json

# Environment variables in the order in which they are read: after the caller's arguments, and
# before the stored key.
KEY_VARIABLES = ("MLFLOW_TRACKING_TOKEN", "HOKUSAI_API_KEY")
WALLET_VARIABLE = "HOKUSAI_PRIVATE_KEY"


@dataclass(frozen=True)
class Credential:
    """A credential for one gateway.

    Attributes:
        secret: An API key, an access token, or a wallet's private key. Left out of `repr`.
        is_wallet: Whether the secret is a private key.
        source: Where it was found, for messages.
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
    """Return the first credential found in the arguments, the environment and the stored keys.

    Args:
        origin: The gateway (`GatewayURL.origin`) whose stored key may be used.
        api_key: An API key or access token, if the caller has one.
        private_key: A wallet's private key, if the caller has one.
        environment: The environment variables; those of the process by default.

    Raises:
        CredentialError: Both arguments were given, the credential has characters that an HTTP
            header cannot hold, or the file of stored keys is unusable (see `stored_credential`).
    """
    if api_key is not None and private_key is not None:
        raise CredentialError("Pass either api_key or private_key, not both.")
    if api_key is not None:
        return _validated(api_key, False, "the argument api_key")
    if private_key is not None:
        return _validated(private_key, True, "the argument private_key")
    variables = os.environ if environment is None else environment
    for name in KEY_VARIABLES:
        if variables.get(name, "").strip():
            return _validated(variables[name], False, name)
    if variables.get(WALLET_VARIABLE, "").strip():
        return _validated(variables[WALLET_VARIABLE], True, WALLET_VARIABLE)
    return stored_credential(origin, environment)


def _validated(secret: str, is_wallet: bool, source: str) -> Credential:
    secret = secret.strip()
    # Checked here because the HTTP library's own error would contain the secret.
    if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise CredentialError(
            f"The credential in {source} is empty, or has spaces or other characters that are "
            "never part of a key."
        )
    return Credential(secret, is_wallet, source)


def credentials_path(environment: Mapping[str, str] | None = None) -> Path:
    """Return the path of the file in which `hokusai login` stores keys.

    It is `hokusai/credentials` in `XDG_CONFIG_HOME`, or in `~/.config`.

    Raises:
        CredentialError: There is no home directory, as for some users of containers.
    """
    path = private_path("credentials", environment)
    if path is None:
        raise CredentialError(
            "This user has no home directory in which a key could be stored. Set HOME or "
            "XDG_CONFIG_HOME, or pass the key in HOKUSAI_API_KEY."
        )
    return path


def other_names(origin: str) -> list[str]:
    """Return the origins that address the same gateway on this machine by another name."""
    names = ("localhost", "127.0.0.1", "[::1]")
    scheme, _, rest = origin.partition("://")
    host, _, port = rest.rpartition(":")
    if host not in names:
        return []
    return [f"{scheme}://{name}:{port}" for name in names if name != host]


def stored_credential(
    origin: str, environment: Mapping[str, str] | None = None
) -> Credential | None:
    """Return the key that is stored for this gateway, or None.

    Raises:
        CredentialError: The file cannot be read, other users can read it, or its content is not
            what `hokusai login` writes.
    """
    path = private_path("credentials", environment)
    if path is None:
        return None
    entry = _read(path).get(origin)
    if not isinstance(entry, dict) or not isinstance(entry.get("api_key"), str):
        return None
    return _validated(entry["api_key"], False, str(path))


def store_credential(
    origin: str, api_key: str, environment: Mapping[str, str] | None = None
) -> Path:
    """Store the key of one gateway; the keys of other gateways stay stored.

    Returns:
        The path of the file, which has mode 0600.

    Raises:
        CredentialError: The key has characters that are never part of a key, or the file cannot
            be read or written.
    """
    path = credentials_path(environment)
    stored = _read(path)
    stored[origin] = {"api_key": _validated(api_key, False, "what was entered").secret}
    _write(path, stored)
    return path


def delete_credential(origin: str, environment: Mapping[str, str] | None = None) -> bool:
    """Remove the stored key of one gateway.

    Returns:
        Whether a key was stored.

    Raises:
        CredentialError: The file cannot be read or written.
    """
    path = private_path("credentials", environment)
    stored = {} if path is None else _read(path)
    if path is None or stored.pop(origin, None) is None:
        return False
    _write(path, stored)
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & (
                stat.S_IRWXG | stat.S_IRWXO
            ):
                raise CredentialError(f"Other users can read {path}. Run: chmod 600 {path}")
            document = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CredentialError(f"{path} cannot be read: {type(error).__name__}.") from None
    if not isinstance(document, dict):
        raise CredentialError(f"{path} is not a file that `hokusai login` wrote.")
    return document


def _write(path: Path, document: Mapping[str, Any]) -> None:
    try:
        write_private_json(path, document)
    except OSError as error:
        raise CredentialError(f"{path} cannot be written: {error.strerror}.") from None
