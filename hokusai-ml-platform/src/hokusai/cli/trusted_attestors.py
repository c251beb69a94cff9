"""The attestors that a gateway named when one signed in: whom `hokusai verify` trusts.

They are taken once, over the connection that one signs in by, and not replaced without being told
to. A file beside the stored keys, without a secret in it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from hokusai.credentials import credentials_path
from hokusai.errors import ConfigurationError, HokusaiError

if TYPE_CHECKING:
    from hokusai.client import GatewayClient

_MEMBERS = ("signer", "signers", "log")


def path() -> Path:
    """Where they are noted."""
    return credentials_path().with_name("attestors.json")


def pinned() -> dict[str, Any]:
    """What each gateway said, by its origin. Raises ConfigurationError for a broken file."""
    from hokusai.verify.strict_json import parse

    try:
        found = parse(path().read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, HokusaiError) as error:
        raise ConfigurationError(f"{path()} cannot be read: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(item, dict) for item in found.values()):
        raise ConfigurationError(f"{path()} is not a file of `hokusai login`.")
    return found


def pin(client: GatewayClient, again: bool = False) -> str:
    """Note a gateway's attestors, unless others are noted: what became of it, for the user.

    again: replace those that are noted.
    """
    from hokusai.verify.trust import Trust

    origin = client.url.origin
    try:
        known = ask(client)
        Trust.from_well_known(known)
    except HokusaiError as error:
        return f"The gateway's attestors could not be noted: {error}"
    known = {name: known[name] for name in _MEMBERS}
    noted = pinned()
    if origin in noted and noted[origin] != known and not again:
        return (
            f"The gateway names other attestors now: {', '.join(known['signers'])}. Those noted "
            "before go on being trusted, and no others. If the change was announced to you, run "
            "`hokusai login --repin`."
        )
    noted[origin] = known
    _write(noted)
    return f"Attestations are verified against its attestor {known['signer']} from now on."


def ask(client: GatewayClient) -> Mapping[str, Any]:
    """What a gateway says of its attestor."""
    from hokusai.client import GatewayClient

    root = client.url.api[: -len("/api")]
    stranger = GatewayClient(dataclasses.replace(client.url, api=root))
    found: Mapping[str, Any] = stranger.request(
        "GET", "/.well-known/hokusai-attestor.json", anonymous=True
    )
    return found


def _write(document: Mapping[str, Any]) -> None:
    target = path()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=str(target.parent), prefix=".attestors-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
        os.replace(name, target)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}.") from None
