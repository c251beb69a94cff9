"""The attestors that `hokusai verify` trusts by default: those stored by `hokusai login`.

They are stored at the first login to a gateway, over the connection that the login uses, and are
replaced only if the user asks for it. The file stands beside the stored keys and holds no secret.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

from hokusai.credentials import credentials_path
from hokusai.errors import ConfigurationError, HokusaiError
from hokusai.private_files import write_private_json

if TYPE_CHECKING:
    from hokusai.client import GatewayClient

# The members of the well-known document that verifying needs, and what they are called.
_STORED_MEMBERS = {
    "signer": "attestor",
    "signers": "attestors",
    "log": "log",
    "envelopes": "keys of bundles",
    "circuits": "circuits of proofs",
}


def attestors_path() -> Path:
    """Return the path of the file."""
    return credentials_path().with_name("attestors.json")


def stored_attestors() -> dict[str, Any]:
    """Return the stored part of each gateway's well-known document, by the gateway's origin.

    Raises:
        ConfigurationError: The file cannot be read, or is not one that `hokusai login` wrote.
    """
    from hokusai.verify.strict_json import parse

    path = attestors_path()
    try:
        stored = parse(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, HokusaiError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    if not isinstance(stored, dict) or not all(isinstance(item, dict) for item in stored.values()):
        raise ConfigurationError(f"{path} is not a file that `hokusai login` wrote.")
    return stored


def store_attestors(client: GatewayClient, replace: bool = False) -> str:
    """Fetch the attestors of a gateway, and store them unless others are stored already.

    Args:
        client: A client of the gateway.
        replace: Whether to replace those that are stored.

    Returns:
        What was done, as a line for the user. A gateway without valid attestors is reported here
        too, since logging in does not need them.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    from hokusai.verify.trust import Trust

    origin = client.url.origin
    try:
        document = fetch_attestors(client)
        Trust.from_well_known(document)
    except HokusaiError as error:
        return f"The gateway's attestors could not be stored: {error}"
    # The first gateways had no envelopes.
    fetched = {name: document[name] for name in _STORED_MEMBERS if name in document}
    stored = stored_attestors()
    changes = _changes(stored[origin], fetched) if origin in stored else ""
    if changes and not replace:
        return (
            f"The gateway has changed since you first logged in: {changes}. Only what was stored "
            "then is trusted. If its operator announced the change, run `hokusai login "
            "--replace-attestors`."
        )
    stored[origin] = fetched
    path = attestors_path()
    try:
        write_private_json(path, stored)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None
    return f"`hokusai verify` trusts its attestor {fetched['signer']} from now on."


def _changes(stored: Mapping[str, Any], fetched: Mapping[str, Any]) -> str:
    """What differs, with lists of text as they are now: `its circuits of proofs (now 9f…)`."""
    found = []
    for name, words in _STORED_MEMBERS.items():
        # A gateway that had no circuits yet may have left out the list.
        now = fetched.get(name) or []
        if now != (stored.get(name) or []):
            listed = now if isinstance(now, list) else [now]
            is_text = all(isinstance(one, str) for one in listed)
            found.append(f"its {words}")
            if is_text:
                found[-1] += f" (now {', '.join(listed) or 'none'})"
    return ", ".join(found)


def fetch_attestors(client: GatewayClient) -> Mapping[str, Any]:
    """Fetch `/.well-known/hokusai-attestor.json` of a gateway, without a credential."""
    from hokusai.client import GatewayClient

    # The document is at the root, while a client's paths are below /api.
    root = client.url.api[: -len("/api")]
    anonymous = GatewayClient(dataclasses.replace(client.url, api=root))
    document: Mapping[str, Any] = anonymous.request(
        "GET", "/.well-known/hokusai-attestor.json", anonymous=True
    )
    return document
