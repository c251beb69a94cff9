"""`hokusai verify`: what of an attestation holds, without asking anybody."""

from __future__ import annotations

import sys
from typing import Any, Sequence

import click

from hokusai.cli.options import json_option
from hokusai.cli.output import sanitize, write_json

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
_MARKS = {"holds": ("ok  ", "green"), "fails": ("NO  ", "red"), "unchecked": ("--  ", "yellow")}


@click.command()
@click.argument("file", type=_FILE)
@click.option("--attestor", "attestors", multiple=True, metavar="ADDRESS", help="Whom you trust.")
@click.option("--log-key", "log_keys", multiple=True, metavar="KEY", help="Of the log: name+id+...")
@click.option("--known", type=_FILE, help="A saved hokusai-attestor.json, which has both.")
@click.option("--checkpoint", type=_FILE, help="A checkpoint of the log that you hold.")
@click.option("--consistency", type=_FILE, help="The log's proof between the two checkpoints.")
@click.option("--log", "export", type=_FILE, help="A copy of the log, of `hokusai log export`.")
@click.option("--strict", is_flag=True, help="Everything has to be checked: log and revocation.")
@click.option("--url", metavar="URL", help="Whose attestors, as noted by `hokusai login`.")
@json_option
def verify(
    file: str,
    attestors: Sequence[str],
    log_keys: Sequence[str],
    known: str | None,
    checkpoint: str | None,
    consistency: str | None,
    export: str | None,
    strict: bool,
    url: str | None,
    as_json: bool,
) -> int:
    """Verify an attestation in FILE (- for standard input), offline.

    Exit code 0 if its hash, its signature and its signer hold and nothing else fails; 1 if not; 2
    if the files cannot be read. Without --attestor, --log-key or --known those count that `hokusai
    login` noted.
    """
    from hokusai.errors import DocumentError
    from hokusai.verify import LogExport, log_export
    from hokusai.verify import verify as check
    from hokusai.verify.strict_json import parse

    given: dict[str, Any] = {"attestors": attestors, "log_keys": log_keys}
    whence = ""
    if known is not None:
        given["known"] = parse(_read(known))
    elif not attestors and not log_keys:
        given["known"], whence = _pinned(url)
    if checkpoint is not None:
        try:
            given["checkpoint"] = _read(checkpoint).decode()
        except UnicodeDecodeError:
            raise DocumentError(f"{checkpoint} is not text.") from None
    if consistency is not None:
        given["consistency"] = parse(_read(consistency))
    if export is not None:
        given["log"] = LogExport.read(_read(export, log_export.MAX_BYTES))
    report = check(_read(file), **given)
    passed = report.complete if strict else report.ok
    if as_json:
        write_json({**report.as_dict(), "trusted_from": whence or "arguments"})
        return 0 if passed else 1
    for each in report.checks:
        mark, colour = _MARKS[each.result.value]
        click.echo(click.style(mark, fg=colour) + sanitize(f"{each.name:12} {each.detail}"))
    if whence:
        click.echo(f"Trusted: {sanitize(whence)}.")
    if passed:
        verdict = f"It holds: {report.kind}, signed by {report.signer}."
    elif report.ok:
        verdict = "Not everything could be checked, as --strict asks for."
    elif any(each.result.value == "fails" for each in report.checks):
        verdict = "It does not hold."
    else:
        verdict = "Nothing speaks against it, but whose word it is nobody has told: --attestor."
    click.echo(sanitize(verdict))
    return 0 if passed else 1


def _read(path: str, largest: int | None = None) -> bytes:
    from hokusai.errors import DocumentError
    from hokusai.verify.attestation import read_file
    from hokusai.verify.strict_json import MAX_BYTES

    limit = largest or MAX_BYTES
    if path != "-":
        return read_file(path, limit)
    found = sys.stdin.buffer.read(limit + 1)
    if len(found) > limit:
        raise DocumentError(f"Standard input is larger than {limit // 1024} KiB.")
    return found


def _pinned(url: str | None) -> tuple[Any, str]:
    """What `hokusai login` noted of a gateway, and which one; that of the only one by default."""
    from hokusai.cli import trusted_attestors
    from hokusai.errors import ConfigurationError
    from hokusai.gateway_url import GatewayURL

    noted = trusted_attestors.pinned()
    try:
        origin = GatewayURL.resolve(url).origin
    except ConfigurationError:
        if url is not None:
            raise
        origin = next(iter(noted)) if len(noted) == 1 else ""
    if origin not in noted:
        return None, ""
    return noted[origin], f"what `hokusai login` noted of {origin}"
