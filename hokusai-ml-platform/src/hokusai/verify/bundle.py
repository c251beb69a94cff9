"""A bundle of an attestation: an in-toto statement in DSSE in a Sigstore bundle v0.3."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from hokusai.verify.envelope_key import EnvelopeKey
from hokusai.verify.json_fields import CheckFailed, NotChecked, list_at, object_at, text_at
from hokusai.verify.sigstore_bundle import open_bundle
from hokusai.verify.strict_json import canonical_json, equal_json

PREDICATE_TYPE = "https://hokus.ai/attestation/improvement/v1"


def check_bundle(
    bundle: Mapping[str, Any],
    keys: Sequence[EnvelopeKey],
    digest: str,
    data: Mapping[str, Any] | None,
) -> str:
    """Check that a bundle states an attestation, and that a trusted key has signed it.

    Args:
        bundle: The bundle.
        keys: The trusted keys.
        digest: The hash of the attestation.
        data: What its bytes say; None if the hash does not hold.

    Returns:
        What holds, in words.

    Raises:
        CheckFailed: The bundle is not one of this attestation.
        NotChecked: There is nothing to compare with, or no key to trust.
        ValueError: A part is not valid base64.
    """
    if data is None:
        raise NotChecked("the hash does not hold, so there is nothing to compare with")
    statement, signed_by = open_bundle(bundle, keys, PREDICATE_TYPE, "attestations")
    digests = {text_at(one, "digest", "sha256") for one in list_at(statement, "subject")}
    if digest not in digests:
        raise CheckFailed("its statement is about something else than these bytes")
    if digests != _subjects(digest, data):
        raise CheckFailed("its statement is about other files than the attestation")
    if not equal_json(object_at(statement, "predicate", "attestation"), _with_texts(data)):
        raise CheckFailed("its statement says something else than these bytes")
    if signed_by is None:
        raise NotChecked(
            "its statement is about these bytes, but you have named no envelope key to trust"
        )
    return f"a statement about these bytes, signed by the envelope key {signed_by.name}"


def _subjects(digest: str, data: Mapping[str, Any]) -> set[str]:
    """The digests of what a statement has to be about: the bytes, and files that were read."""
    files = data.get("files")
    if isinstance(files, Mapping) and files.get("evidence") == "witnessed":
        return {digest, str(files.get("sha256"))}
    return {digest}


def _with_texts(value: Any) -> Any:
    """The same data with each number as text, as the bytes write it."""
    if isinstance(value, dict):
        return {name: _with_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_texts(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return canonical_json(value)
    return value
