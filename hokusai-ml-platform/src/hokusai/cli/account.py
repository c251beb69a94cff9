"""`hokusai login`, `logout`, `whoami` and `limits`: the caller's credential at a gateway."""

from __future__ import annotations

import re
import sys

import click

from hokusai.cli.options import connect, json_option, url_option
from hokusai.cli.output import write_json, write_line, write_record, write_table

_PRIVATE_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
# More than any key or token has. Standard input may be any file, so reading it is bounded.
_MAX_CHARACTERS = 4096


@click.command()
@url_option
@click.option("--with-key-stdin", is_flag=True, help="Read the key from standard input.")
@click.option(
    "--replace-attestors",
    is_flag=True,
    help="Trust the gateway's present attestors in place of those stored before.",
)
def login(url: str | None, with_key_stdin: bool, replace_attestors: bool) -> None:
    """Store an API key for a gateway, after checking it with the gateway.

    The gateway is remembered, for commands and programs that name none. Its attestors are stored
    too, for `hokusai verify`. A wallet's private key is not stored: set HOKUSAI_PRIVATE_KEY
    instead.
    """
    from hokusai.api import GatewayAPI
    from hokusai.cli import trusted_attestors
    from hokusai.client import GatewayClient
    from hokusai.credentials import resolve_credential, store_credential
    from hokusai.gateway_url import GatewayURL, remember_url

    gateway = GatewayURL.resolve(url)
    key = _read_key(with_key_stdin)
    if _PRIVATE_KEY.fullmatch(key):
        raise click.UsageError(
            "This looks like a wallet's private key, which is not stored. Set HOKUSAI_PRIVATE_KEY, "
            "or create an API key with the wallet."
        )
    client = GatewayClient(gateway, resolve_credential(gateway.origin, api_key=key))
    identity = GatewayAPI(client).whoami()
    path = store_credential(gateway.origin, key)
    remember_url(gateway.tracking)
    write_line(
        f"Logged in to {gateway.origin} as {identity['principal']} (tenant {identity['tenant']})."
    )
    write_line(f"The key is stored in {path}, which only you can read.")
    write_line(f"{gateway.tracking} is used from now on where no gateway is named.")
    if identity.get("expires_at"):
        write_line(f"The key ends at {identity['expires_at']}.")
    used = resolve_credential(gateway.origin)
    if used is not None and used.source != str(path):
        write_line(f"As long as {used.source} is set, it is used instead of the stored key.")
    write_line(trusted_attestors.store_attestors(client, replace_attestors))


def _read_key(with_key_stdin: bool) -> str:
    if with_key_stdin:
        key = sys.stdin.read(_MAX_CHARACTERS + 1).strip()
        if not key or len(key) > _MAX_CHARACTERS:
            raise click.UsageError("There is no key on standard input.")
        return key
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to enter the key at: use --with-key-stdin.")
    entered: str = click.prompt("API key", hide_input=True, err=True)
    return entered.strip()


@click.command()
@url_option
def logout(url: str | None) -> None:
    """Delete the key that is stored for a gateway. The gateway accepts it until it is revoked."""
    from hokusai.credentials import delete_credential
    from hokusai.gateway_url import GatewayURL, remember_url, remembered_url

    gateway = GatewayURL.resolve(url)
    origin = gateway.origin
    if remembered_url() == gateway.tracking:
        remember_url(None)
    if delete_credential(origin):
        write_line(f"The key for {origin} is deleted here. The gateway still accepts it.")
    else:
        write_line(f"No key is stored for {origin}.")


@click.command()
@url_option
@json_option
def whoami(url: str | None, as_json: bool) -> None:
    """Show the caller's identity, as the gateway sees it."""
    identity = connect(url).whoami()
    write_json(dict(identity)) if as_json else write_record(identity)


@click.command()
@url_option
@json_option
def limits(url: str | None, as_json: bool) -> None:
    """Show what is left of the caller's rate limit, and the quotas of its tenant."""
    limit = connect(url).limits()
    if as_json:
        write_json(dict(limit))
        return
    write_line(
        f"{limit['remaining']} of {limit['limit']} requests are left for the next "
        f"{limit['reset']} seconds."
    )
    if limit.get("address_limit") is not None:
        write_line(
            f"All wallets at your address together: {limit['address_limit']} requests in "
            f"{limit['window']} seconds, and {limit['creation_limit']} new keys, tokens, models "
            "and attestations of each kind an hour."
        )
    quotas = limit.get("quotas")
    if quotas:
        rows = ([quota["kind"], quota["used"], quota["quota"]] for quota in quotas)
        write_table(("kind", "used", "quota"), rows)
