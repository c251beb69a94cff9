"""Statements in the form that public tools read: in-toto in DSSE in a Sigstore bundle.

Sources: in-toto Attestation Framework, Statement v1; DSSE v1.0; Sigstore bundle format v0.3.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.control_plane.attestations.envelope_key import EnvelopeKey
from app.core import json_in_pieces

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about. sha256: its digest, 64 hexadecimal digits."""

    name: str
    sha256: str


def model_name(tenant: str, name: str, version: str) -> str:
    """The name of a registered model as a subject.

    With its tenant, since any tenant may give a model the same name. Neither contains a slash.
    """
    return f"{tenant}/{name}@{version}"


def statement(
    subjects: Sequence[Subject], predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """An in-toto statement."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": one.name, "digest": {"sha256": one.sha256}} for one in subjects],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


def signed_bundle(statement: Mapping[str, Any], key: EnvelopeKey, *, is_long: bool = False) -> str:
    """The bundle of a statement, as JSON. The same statement and key make the same text.

    It takes milliseconds, and longer for a large statement. is_long: let other threads run
    meanwhile.
    """
    payload = _compact(statement, json_in_pieces.dumps if is_long else json.dumps).encode()
    return _compact(
        {
            "mediaType": MEDIA_TYPE,
            # A key that one has from elsewhere: there is no certificate, and no entry in Rekor.
            "verificationMaterial": {"publicKey": {"hint": key.hint}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": PAYLOAD_TYPE,
                "signatures": [
                    {"sig": base64.b64encode(key.sign(_signed(payload))).decode(), "keyid": ""}
                ],
            },
        }
    )


def _signed(payload: bytes) -> bytes:
    """What is signed of a payload: its pre-authentication encoding (DSSE v1.0, section 2)."""
    return b"DSSEv1 %d %s %d %s" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode(),
        len(payload),
        payload,
    )


def _compact(data: Mapping[str, Any], dumps: Callable[..., str] = json.dumps) -> str:
    return dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
