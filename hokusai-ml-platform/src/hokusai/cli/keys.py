"""`hokusai keys`: the caller's own API keys."""

from __future__ import annotations

import click

from hokusai.cli.options import WholeNumber, connect, json_option, url_option
from hokusai.cli.output import write_json, write_line, write_record, write_table

_SHOWN = ("id", "state", "name", "scopes", "rate_limit", "expires_at", "last_used_at")


@click.group()
def keys() -> None:
    """List, create, rotate and revoke your own API keys."""


@keys.command("list")
@url_option
@json_option
def list_keys(url: str | None, as_json: bool) -> None:
    """List your keys: state, scopes, limit and end, but not the keys themselves."""
    found = list(connect(url).keys())
    if as_json:
        write_json(found)
    else:
        write_table(_SHOWN, ([key.get(name) for name in _SHOWN] for key in found))


@keys.command("create")
@click.option("--name", required=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "register", "attest", "admin"]),
    help="What the key may do; by default, what you may do. Repeatable.",
)
@click.option(
    "--expires-in-days",
    type=WholeNumber(min=1),
    help="By default 90, or less where your credential allows less.",
)
@click.option("--rate-limit", type=WholeNumber(min=1), help="Requests per minute.")
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="A network that the key works from; by default anywhere. Repeatable.",
)
@url_option
@json_option
def create_key(
    name: str,
    scopes: tuple[str, ...],
    expires_in_days: int | None,
    rate_limit: int | None,
    networks: tuple[str, ...],
    url: str | None,
    as_json: bool,
) -> None:
    """Create a key for yourself. It is shown once.

    A wallet (HOKUSAI_PRIVATE_KEY) signs a message for that, so that the key can be valid up to 90
    days.
    """
    key = connect(url).create_key(
        name,
        scopes=list(scopes) or None,
        expires_in_days=expires_in_days,
        rate_limit=rate_limit,
        allowed_networks=list(networks) or None,
    )
    write_json(dict(key)) if as_json else write_record({"key": key["key"], **key})


@keys.command("rotate")
@click.argument("key_id")
@click.option(
    "--overlap-seconds",
    type=WholeNumber(min=0),
    help="How long the old key keeps working; by default a day.",
)
@url_option
@json_option
def rotate_key(key_id: str, overlap_seconds: int | None, url: str | None, as_json: bool) -> None:
    """Replace a key by a new one, which ends when the old one would have ended."""
    key = connect(url).rotate_key(key_id, overlap_seconds)
    write_json(dict(key)) if as_json else write_record({"key": key["key"], **key})


@keys.command("revoke")
@click.argument("key_id", required=False)
@click.option(
    "--rotation-chain",
    is_flag=True,
    help="Also revoke the keys that it was rotated to or from, as for a stolen key.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Revoke all keys and tokens of your wallet; needs HOKUSAI_PRIVATE_KEY.",
)
@url_option
def revoke_key(key_id: str | None, rotation_chain: bool, everything: bool, url: str | None) -> None:
    """Revoke a key at once, with the keys that were created with it."""
    if everything == (key_id is not None):
        raise click.UsageError(
            "Pass either the id of a key, as `hokusai keys list` shows it, or --all."
        )
    if key_id is not None:
        connect(url).revoke_key(key_id, rotation_chain=rotation_chain)
        write_line(f"The key {key_id} is revoked.")
        return
    if rotation_chain:
        raise click.UsageError("--all includes every rotation chain: leave --rotation-chain out.")
    ended = connect(url).revoke_all()
    write_line(f"Revoked: {ended['keys']} keys and {ended['tokens']} tokens.")
