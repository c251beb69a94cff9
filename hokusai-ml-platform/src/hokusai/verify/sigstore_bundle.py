"""Opening a Sigstore bundle v0.3 that has an in-toto statement in DSSE, signed by a bare key."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from hokusai.errors import DocumentError
from hokusai.verify.canonical_base64 import decode
from hokusai.verify.envelope_key import EnvelopeKey
from hokusai.verify.json_fields import CheckFailed, list_at, member, object_at, text_at
from hokusai.verify.strict_json import parse

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


class Opened(NamedTuple):
    """What a bundle holds.

    Attributes:
        statement: The in-toto statement.
        signed_by: The trusted key that signed it; None where no key is trusted.
    """

    statement: Mapping[str, Any]
    signed_by: EnvelopeKey | None


def open_bundle(
    bundle: Mapping[str, Any], keys: Sequence[EnvelopeKey], predicate_type: str, what: str
) -> Opened:
    """Open a bundle.

    Args:
        bundle: The bundle.
        keys: The trusted keys.
        predicate_type: The type that its statement must have.
        what: What statements of this type are about, for the message.

    Raises:
        CheckFailed: It is of another form or type, or none of the trusted keys has signed it.
        ValueError: A part is not valid base64.
    """
    payload, signature = _payload(bundle)
    signed_by = next((key for key in keys if key.has_signed(_signed(payload), signature)), None)
    if keys and signed_by is None:
        raise CheckFailed("no envelope key that you trust has signed it")
    try:
        statement = parse(payload)
    except DocumentError as error:
        raise CheckFailed(f"its statement cannot be read: {error}") from None
    if member(statement, "_type") != STATEMENT_TYPE:
        raise CheckFailed("it has no in-toto statement of version 1")
    if member(statement, "predicateType") != predicate_type:
        raise CheckFailed(f"its statement is of another type than those about {what}")
    return Opened(statement, signed_by)


def _payload(bundle: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The statement's bytes, and their signature."""
    if member(bundle, "mediaType") != MEDIA_TYPE:
        raise CheckFailed("it is not a Sigstore bundle of version 0.3")
    envelope = object_at(bundle, "dsseEnvelope")
    if member(envelope, "payloadType") != PAYLOAD_TYPE:
        raise CheckFailed("its envelope has no in-toto statement")
    signatures = list_at(envelope, "signatures")
    if len(signatures) != 1:
        raise CheckFailed("its envelope does not have exactly one signature")
    return decode(text_at(envelope, "payload")), decode(text_at(signatures[0], "sig"))


def _signed(payload: bytes) -> bytes:
    """What is signed of a payload: its pre-authentication encoding (DSSE v1.0)."""
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} "
    return head.encode() + payload
