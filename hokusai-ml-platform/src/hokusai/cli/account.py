"""`login`, `logout`, `whoami` and `limits`: who one is at a gateway."""

from __future__ import annotations

import re
import sys

import click

from hokusai.cli.options import connect, json_option, url_option
from hokusai.cli.output import write_json, write_line, write_record

_PRIVATE_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
# Nobody's key is longer; standard input may be anything.
_LONGEST = 4096


@click.command()
@url_option
@click.option("--with-key-stdin", is_flag=True, help="Read the key from standard input.")
@click.option("--repin", is_flag=True, help="Trust the attestors that the gateway names now.")
def login(url: str | None, with_key_stdin: bool, repin: bool) -> None:
    """Store an API key for a gateway, after asking the gateway whether it is good.

    The gateway's attestors are noted as well, so that `hokusai verify` knows them. A wallet's key
    is not stored: give it in HOKUSAI_PRIVATE_KEY.
    """
    from hokusai.api import GatewayAPI
    from hokusai.cli import trusted_attestors
    from hokusai.client import GatewayClient
    from hokusai.credentials import resolve_credential, store_credential
    from hokusai.gateway_url import GatewayURL

    address = GatewayURL.resolve(url)
    key = _key(with_key_stdin)
    if _PRIVATE_KEY.fullmatch(key):
        raise click.UsageError(
            "This looks like a wallet's private key, which is not stored. Set HOKUSAI_PRIVATE_KEY, "
            "or make an API key with the wallet."
        )
    client = GatewayClient(address, resolve_credential(address.origin, api_key=key))
    identity = GatewayAPI(client).whoami()
    path = store_credential(address.origin, key)
    write_line(
        f"Signed in to {address.origin} as {identity['principal']} (tenant {identity['tenant']})."
    )
    write_line(f"The key is in {path}, for you alone to read.")
    found = resolve_credential(address.origin)
    if found is not None and found.source != str(path):
        write_line(f"As long as {found.source} is set, that is used and not this key.")
    write_line(trusted_attestors.pin(client, repin))


def _key(with_key_stdin: bool) -> str:
    if with_key_stdin:
        key = sys.stdin.read(_LONGEST + 1).strip()
        if not key or len(key) > _LONGEST:
            raise click.UsageError("There is no key on standard input.")
        return key
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask for the key: use --with-key-stdin.")
    found: str = click.prompt("API key", hide_input=True, err=True)
    return found.strip()


@click.command()
@url_option
def logout(url: str | None) -> None:
    """Forget the key that is stored for a gateway. It stays good until it is revoked there."""
    from hokusai.credentials import delete_credential
    from hokusai.gateway_url import GatewayURL

    origin = GatewayURL.resolve(url).origin
    if delete_credential(origin):
        write_line(f"The key for {origin} is forgotten here. At the gateway it is still good.")
    else:
        write_line(f"No key was stored for {origin}.")


@click.command()
@url_option
@json_option
def whoami(url: str | None, as_json: bool) -> None:
    """Who the gateway takes you for."""
    found = connect(url).whoami()
    write_json(dict(found)) if as_json else write_record(found)


@click.command()
@url_option
@json_option
def limits(url: str | None, as_json: bool) -> None:
    """What is left of your rate limit."""
    found = connect(url).limits()
    if as_json:
        write_json(dict(found))
    else:
        write_line(
            f"{found['remaining']} of {found['limit']} requests are left for the next "
            f"{found['reset']} seconds."
        )
