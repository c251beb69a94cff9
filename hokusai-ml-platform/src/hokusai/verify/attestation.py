"""Verifying an attestation from documents alone, without sending any request."""

from __future__ import annotations

import os
from typing import Any, Iterable, Mapping

from hokusai.errors import DocumentError, InputError
from hokusai.verify.checkpoint import Checkpoint
from hokusai.verify.checks import Verification
from hokusai.verify.log_export import LogExport
from hokusai.verify.model_files import hash_directory, parse_files
from hokusai.verify.model_signature import check_model_signature
from hokusai.verify.report import Report
from hokusai.verify.strict_json import MAX_BYTES, checked_copy, parse
from hokusai.verify.trust import Trust


def verify(
    attestation: str | bytes | Mapping[str, Any],
    *,
    attestors: str | Iterable[str] = (),
    log_keys: str | Iterable[str] = (),
    envelope_keys: str | Iterable[str] = (),
    circuits: str | Iterable[str] = (),
    witnesses: str | Iterable[str] = (),
    quorum: int | None = None,
    known: Mapping[str, Any] | None = None,
    checkpoint: str | None = None,
    consistency: Mapping[str, Any] | None = None,
    log: LogExport | None = None,
    bundle: str | bytes | Mapping[str, Any] | None = None,
    model: str | os.PathLike[str] | None = None,
    files: str | bytes | Mapping[str, Any] | None = None,
    model_signature: str | bytes | Mapping[str, Any] | None = None,
) -> Report:
    """Verify an attestation.

    Args:
        attestation: The gateway's response, as JSON text or parsed.
        attestors: The addresses of trusted attestors.
        log_keys: The public keys of trusted logs, as C2SP signed-note writes them.
        envelope_keys: The public keys of trusted envelopes, in PEM.
        circuits: The identifiers of the circuits whose proofs the caller trusts.
        witnesses: The public keys of trusted witnesses of the log. With them, the document's
            checkpoint or `checkpoint` must be cosigned.
        quorum: How many of them must have cosigned; by default all.
        known: A gateway's `/.well-known/hokusai-attestor.json`, which has all of these.
        checkpoint: A signed checkpoint of the log that the caller saved earlier or got elsewhere.
        consistency: The response of `/api/attestations/log/proof?first=&second=`, needed where
            that checkpoint has another size than the attestation's.
        log: A copy of the log, which shows whether the attestation was revoked.
        bundle: The response of `/api/attestations/{hash}/bundle`, as JSON text or parsed.
        model: A directory with the files of the attested model, to compare with the attestation.
        files: The list of the model's files as `hokusai models download` writes it, which tells
            which files of the directory differ, and whether they have their names.
        model_signature: The response of `/api/models/{id}/model.sig`, as JSON text or parsed.

    Returns:
        The report. Whatever is wrong with the attestation itself is in the report.

    Raises:
        DocumentError: The attestation is not a JSON object, is too large or too deep, or one of
            the other documents is not what it should be.
        InputError: An address or a key is not valid, a consistency proof has no checkpoint, or a
            list of files has no directory.
    """
    document = _parsed(attestation, "An attestation")
    if "dsseEnvelope" in document:
        raise DocumentError(
            "This is a bundle, and not an attestation. Verify the attestation, with this as its "
            "bundle or as the signature of its model."
        )
    trust = Trust.parse(attestors, log_keys, envelope_keys, circuits, witnesses, quorum)
    if known is not None:
        trust |= Trust.from_well_known(known)
    if consistency is not None:
        consistency = checked_copy(consistency)
        if not isinstance(consistency, dict):
            raise DocumentError("A consistency proof is a JSON object.")
        if checkpoint is None:
            raise InputError("A consistency proof requires a checkpoint to begin or end at.")
    saved = None if checkpoint is None else _parse_saved(checkpoint, trust)
    stated = None if bundle is None else _parsed(bundle, "A bundle")
    if files is not None and model is None:
        raise InputError("A list of files requires the directory to compare with it.")
    found = None if model is None else hash_directory(model)
    listed = None if files is None else parse_files(_parsed(files, "A list of files"))
    signature = None if model_signature is None else _parsed(model_signature, "A signature")
    return Verification(
        document, trust, saved, consistency, log, stated, found, listed, signature
    ).report()


def verify_model_signature(
    model_signature: str | bytes | Mapping[str, Any],
    *,
    envelope_keys: str | Iterable[str] = (),
    known: Mapping[str, Any] | None = None,
    model: str | os.PathLike[str] | None = None,
) -> Report:
    """Verify the signature of a model's files without an attestation.

    Args:
        model_signature: The response of `/api/models/{id}/model.sig`, as JSON text or parsed.
        envelope_keys: The public keys of trusted envelopes, in PEM.
        known: A gateway's `/.well-known/hokusai-attestor.json`, which has them.
        model: A directory to compare with the files that are signed.

    Returns:
        The report, of the checks `model_signature` and, with a directory, `model`.

    Raises:
        DocumentError: The signature is not a JSON object, is too large or too deep, or one of the
            other documents is not what it should be.
        InputError: A key is not valid.
    """
    bundle = _parsed(model_signature, "A signature")
    trust = Trust.parse(envelope_keys=envelope_keys)
    if known is not None:
        trust |= Trust.from_well_known(known)
    found = None if model is None else hash_directory(model)
    return check_model_signature(bundle, trust.envelope_keys, found)


def verify_file(path: str | os.PathLike[str], **trusted: Any) -> Report:
    """Verify an attestation in a file.

    Args:
        path: The file.
        **trusted: The other arguments of `verify`.

    Raises:
        DocumentError: Also if the file cannot be read.
        InputError: As `verify` does.
    """
    return verify(read_file(path), **trusted)


def read_file(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """Read a file of at most `limit` bytes.

    Raises:
        DocumentError: The file cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is not a valid file name"
        raise DocumentError(f"{os.fspath(path)} cannot be read: {reason}.") from None
    if len(content) > limit:
        raise DocumentError(f"{os.fspath(path)} is larger than {limit // 1024} KiB.")
    return content


def _parsed(given: str | bytes | Mapping[str, Any], what: str) -> dict[str, Any]:
    document = parse(given) if isinstance(given, (str, bytes)) else checked_copy(given)
    if not isinstance(document, dict):
        raise DocumentError(f"{what} is a JSON object.")
    return document


def _parse_saved(checkpoint: Any, trust: Trust) -> Checkpoint:
    if not isinstance(checkpoint, str):
        raise InputError("A checkpoint is a text, as GET /api/attestations/log returns it.")
    try:
        return trust.checkpoint(checkpoint)
    except ValueError as error:
        raise DocumentError(f"Your checkpoint is not a valid checkpoint: {error}.") from None
