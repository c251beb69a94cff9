"""`hokusai verify`: verify an attestation offline."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Sequence

import click

from hokusai.cli.options import json_option, witness_options
from hokusai.cli.output import sanitize, write_json

if TYPE_CHECKING:
    from hokusai.verify import Report

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
_MARKS = {"holds": ("ok  ", "green"), "fails": ("NO  ", "red"), "unchecked": ("--  ", "yellow")}


@click.command()
@click.argument("file", type=_FILE, required=False)
@click.option(
    "--attestor",
    "attestors",
    multiple=True,
    metavar="ADDRESS",
    help="The Ethereum address of an attestor to trust. Repeatable.",
)
@click.option(
    "--log-key",
    "log_keys",
    multiple=True,
    metavar="KEY",
    help="A public key of the log, NAME+ID+BASE64. Repeatable.",
)
@click.option(
    "--known",
    type=_FILE,
    help="A saved /.well-known/hokusai-attestor.json, which has attestors and keys.",
)
@click.option("--bundle", type=_FILE, help="A bundle of the attestation, to check as well.")
@click.option(
    "--envelope-key",
    "envelope_keys",
    type=_FILE,
    multiple=True,
    help="A saved /.well-known/hokusai.pub, whose key to trust for bundles and signatures of "
    "models. Repeatable.",
)
@click.option(
    "--circuit",
    "circuits",
    multiple=True,
    metavar="ID",
    help="The identifier of a circuit whose proofs to trust. Repeatable.",
)
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False),
    help="A directory with the model's files, to compare with the attestation or the signature.",
)
@click.option(
    "--files",
    type=_FILE,
    help="The list of the model's files, to tell which differ; by default the one that "
    "`hokusai models download` has stored beside the directory.",
)
@click.option(
    "--model-signature",
    type=_FILE,
    help="A saved /api/models/{id}/model.sig, to check as well, or alone without FILE.",
)
@witness_options
@click.option("--checkpoint", type=_FILE, help="A checkpoint of the log that you saved earlier.")
@click.option(
    "--consistency", type=_FILE, help="The log's proof that one checkpoint extends the other."
)
@click.option("--log", "export", type=_FILE, help="A copy of the log, from `hokusai log export`.")
@click.option(
    "--strict", is_flag=True, help="Require that every check is made, also log and revocation."
)
@click.option(
    "--url", metavar="URL", help="The gateway whose attestors, stored by `hokusai login`, to trust."
)
@json_option
def verify(
    file: str | None,
    attestors: Sequence[str],
    log_keys: Sequence[str],
    known: str | None,
    bundle: str | None,
    envelope_keys: Sequence[str],
    circuits: Sequence[str],
    model: str | None,
    files: str | None,
    model_signature: str | None,
    witnesses: Sequence[str],
    quorum: int | None,
    checkpoint: str | None,
    consistency: str | None,
    export: str | None,
    strict: bool,
    url: str | None,
    as_json: bool,
) -> int:
    """Verify an attestation in FILE (- for standard input), offline.

    Without FILE, --model-signature is verified alone. Exit code 0 if hash, signature and signer (or
    else the model's signature) hold and no other check fails, 1 if not, 2 if a file cannot be read.
    Without --attestor, --log-key, --envelope-key and --known, the attestors are trusted that
    `hokusai login` stored.
    """
    from hokusai.verify import LogExport, log_export, verify_model_signature
    from hokusai.verify import verify as verify_attestation
    from hokusai.verify.strict_json import parse

    arguments: dict[str, Any] = {}
    stored_by = ""
    if known is not None:
        arguments["known"] = parse(_read(known))
    elif not attestors and not log_keys and not envelope_keys:
        arguments["known"], stored_by = _stored_attestors(url)
    arguments["envelope_keys"] = [_read_text(path) for path in envelope_keys]
    if model is not None:
        arguments["model"] = model
    if file is None:
        if model_signature is None:
            raise click.UsageError("Name a file with an attestation, or a --model-signature.")
        given = {
            "--bundle": bundle,
            "--files": files,
            "--witness": witnesses,
            "--checkpoint": checkpoint,
            "--consistency": consistency,
            "--log": export,
        }
        for name, value in given.items():
            if value:
                raise click.UsageError(f"{name} is about an attestation: name its file too.")
        report = verify_model_signature(_read(model_signature), **arguments)
    else:
        arguments.update(
            attestors=attestors,
            log_keys=log_keys,
            witnesses=witnesses,
            quorum=quorum,
            circuits=circuits,
        )
        if bundle is not None:
            arguments["bundle"] = _read(bundle)
        if model_signature is not None:
            arguments["model_signature"] = _read(model_signature)
        if model is not None:
            files = files or _stored_list(model)
        if files is not None:
            arguments["files"] = _read(files)
        if checkpoint is not None:
            arguments["checkpoint"] = _read_text(checkpoint)
        if consistency is not None:
            arguments["consistency"] = parse(_read(consistency))
        if export is not None:
            arguments["log"] = LogExport.read(_read(export, log_export.MAX_BYTES))
        report = verify_attestation(_read(file), **arguments)
    passed = report.complete if strict else report.ok
    if as_json:
        write_json({**report.as_dict(), "trusted_from": stored_by or "arguments"})
    else:
        _show(report, passed, stored_by)
    return 0 if passed else 1


def _show(report: Report, passed: bool, stored_by: str) -> None:
    for check in report.checks:
        mark, colour = _MARKS[check.result.value]
        name = check.name.replace("_", " ")
        click.echo(click.style(mark, fg=colour) + sanitize(f"{name:15} {check.detail}"))
    if report.unsigned:
        click.echo(f"Nobody signed these members: {sanitize(', '.join(report.unsigned))}.")
    if stored_by:
        click.echo(f"Trusted: {sanitize(stored_by)}.")
    click.echo(sanitize(_verdict(report, passed)))


def _verdict(report: Report, passed: bool) -> str:
    is_attestation = "signer" in report.essential
    what = "The attestation" if is_attestation else "The signature of the model"
    if passed and is_attestation:
        return f"{what} holds: {report.kind}, signed by {report.signer}."
    if passed:
        return f"{what} holds."
    if report.ok:
        missing = ", ".join(c.name for c in report.checks if c.result.value != "holds")
        return f"Some checks could not be made ({missing}), and --strict requires all of them."
    if any(check.result.value == "fails" for check in report.checks):
        return f"{what} does not hold."
    if is_attestation:
        return "No check fails, but no attestor is trusted: name one with --attestor."
    return "No check fails, but no key is trusted: name one with --envelope-key."


def _read_text(path: str) -> str:
    """Read a file that is text, as `_read` does."""
    from hokusai.errors import DocumentError

    try:
        return _read(path).decode()
    except UnicodeDecodeError:
        raise DocumentError(f"{path} is not text in UTF-8.") from None


def _read(path: str, limit: int | None = None) -> bytes:
    """Read a file, or standard input for `-`, of at most `limit` bytes."""
    from hokusai.errors import DocumentError
    from hokusai.verify.attestation import read_file
    from hokusai.verify.strict_json import MAX_BYTES

    limit = limit or MAX_BYTES
    if path != "-":
        return read_file(path, limit)
    content = sys.stdin.buffer.read(limit + 1)
    if len(content) > limit:
        raise DocumentError(f"Standard input is larger than {limit // 1024} KiB.")
    return content


def _stored_list(directory: str) -> str | None:
    """Return the list that `hokusai models download` stored beside a directory, if it did."""
    from hokusai.verify.model_files import list_path

    path = list_path(directory)
    return path if os.path.isfile(path) else None


def _stored_attestors(url: str | None) -> tuple[Any, str]:
    """The well-known document that `hokusai login` stored, and a description of where it is from.

    The gateway is the one that `--url` or the environment names, or else the only one stored.
    """
    from hokusai.cli import trusted_attestors
    from hokusai.errors import ConfigurationError
    from hokusai.gateway_url import GatewayURL

    stored = trusted_attestors.stored_attestors()
    try:
        origin = GatewayURL.resolve(url).origin
    except ConfigurationError:
        if url is not None:
            raise
        origin = next(iter(stored)) if len(stored) == 1 else ""
    if origin not in stored:
        return None, ""
    return stored[origin], f"the attestors that `hokusai login` stored for {origin}"
