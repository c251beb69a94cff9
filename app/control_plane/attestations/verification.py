"""What of an attestation holds, by the document alone and the keys that one trusts.

Needs no database, no network and no settings: it works on a saved file.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.control_plane.attestations import canonical_json, eas, merkle
from app.control_plane.attestations.checkpoint import CheckpointVerifier
from app.control_plane.attestations.eip712 import (
    ATTESTATION_NAME,
    ATTESTATION_TYPE,
    ATTESTATION_TYPES,
    ATTESTATION_VERSION,
    TypedData,
)
from app.core.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ok: None where it could not be told."""

    ok: bool | None
    detail: str


class _Wrong(Exception):  # noqa: N818 - a verdict, not an error
    """A check failed, for this reason."""


def verify(
    document: Mapping[str, Any],
    signers: Collection[str],
    checkpoint_keys: Collection[CheckpointVerifier],
) -> dict[str, Check]:
    """Check an attestation as `POST /api/attestations` answered it.

    signers: addresses of attestors that one trusts, in EIP-55 form. checkpoint_keys: the log's.
    Returns the checks hash, signature, signer, inclusion, revoked, and eas where there is an
    envelope. Never raises for a wrong document, whatever is in it.
    """
    checks = {
        "hash": _try(_check_hash, document),
        "signature": _try(_check_signature, document),
        "signer": _try(_check_signer, document, signers),
        "inclusion": _try(_check_inclusion, document, checkpoint_keys),
        "revoked": Check(None, "only the log can tell whether it was revoked since"),
    }
    if document.get("eas") is not None:
        checks["eas"] = _try(_check_eas, document)
    return checks


def holds(checks: Mapping[str, Check]) -> bool:
    """Whether nothing failed, and all that the document can prove was proved."""
    return all(
        check.ok or (name == "revoked" and check.ok is None) for name, check in checks.items()
    )


def _try(check: Any, *arguments: Any) -> Check:
    try:
        return Check(True, check(*arguments))
    except _Wrong as wrong:
        return Check(False, str(wrong))
    except GatewayError as error:
        return Check(False, error.message)
    except Exception:  # a hostile document fails in as many ways as there are types
        return Check(False, "a part is missing, or of another form than an attestation's")


def _check_hash(document: Mapping[str, Any]) -> str:
    text = document["bytes"]
    if canonical_json.digest(text) != document["hash"]:
        raise _Wrong("the bytes have another SHA-256 than the hash says")
    data = canonical_json.parse(text)
    if canonical_json.canonical(data) != text:
        raise _Wrong("the bytes are not in canonical form")
    if "data" in document and document["data"] != data:
        raise _Wrong("the data is not what the bytes say")
    if "kind" in document and document["kind"] != data["kind"]:
        raise _Wrong("the kind is not what the bytes say")
    return "the hash is that of the bytes, and the bytes say the data"


def _check_signature(document: Mapping[str, Any]) -> str:
    given = document["signature"]
    message, domain = given["message"], given["domain"]
    # Only our own type is hashed: the document must not choose what its signature means.
    if given["primaryType"] != ATTESTATION_TYPE or given["types"] != ATTESTATION_TYPES:
        raise _Wrong("the signature is over another type than an attestation's")
    if (domain["name"], domain["version"]) != (ATTESTATION_NAME, ATTESTATION_VERSION):
        raise _Wrong("the signature is for another domain than attestations'")
    if message["attestationHash"] != f"0x{document['hash']}":
        raise _Wrong("the signature is over another hash")
    if message["kind"] != canonical_json.parse(document["bytes"])["kind"]:
        raise _Wrong("the signature is over another kind of attestation")
    data = TypedData(domain, ATTESTATION_TYPES, ATTESTATION_TYPE, message)
    if data.signer(given["signature"]) != given["signer"]:
        raise _Wrong(f"the signature is not one of {given['signer']}")
    return f"signed by {given['signer']}"


def _check_signer(document: Mapping[str, Any], signers: Collection[str]) -> str:
    signer = document["signature"]["signer"]
    if signer not in signers:
        raise _Wrong(f"{signer} is not an attestor that is trusted here")
    return f"{signer} is an attestor that is trusted here"


def _check_inclusion(
    document: Mapping[str, Any], checkpoint_keys: Collection[CheckpointVerifier]
) -> str:
    log = document["log"]
    entry = canonical_json.parse(log["entry"])
    if entry["kind"] != "attested" or entry["attestation"] != document["hash"]:
        raise _Wrong("the log entry is about something else")
    checkpoint = None
    for key in checkpoint_keys:
        try:
            checkpoint = key.open(log["checkpoint"])
            break
        except ValueError:
            continue
    if checkpoint is None:
        raise _Wrong("the checkpoint is not signed by a key of the log that is trusted here")
    if checkpoint.size != log["tree_size"]:
        raise _Wrong("the proof is for another size of the log than the checkpoint")
    proof = [bytes.fromhex(item) for item in log["proof"]]
    leaf = merkle.leaf_hash(log["entry"].encode())
    if not merkle.verify_inclusion(leaf, log["index"], checkpoint.size, proof, checkpoint.root):
        raise _Wrong("the proof does not lead to the checkpoint's root")
    return f"entry {log['index']} of the log {checkpoint.origin} at size {checkpoint.size}"


def _check_eas(document: Mapping[str, Any]) -> str:
    envelope = document["eas"]
    given = envelope["sig"]
    message, signature = given["message"], given["signature"]
    if given["primaryType"] != "Attest" or given["types"] != eas.TYPES:
        raise _Wrong("the envelope is of another type than EAS's off-chain attestations, version 2")
    if given["domain"]["name"] != eas.NAME:
        raise _Wrong("the envelope is for another domain than EAS's")
    kind = canonical_json.parse(document["bytes"])["kind"]
    if (message["schema"], message["data"]) != (
        eas.schema_uid(),
        eas.schema_data(document["hash"], kind),
    ):
        raise _Wrong("the envelope attests something else")
    if eas.uid(message) != given["uid"]:
        raise _Wrong("the envelope's uid is not that of its message")
    data = TypedData(given["domain"], eas.TYPES, "Attest", message)
    joined = f"{signature['r']}{signature['s'][2:]}{signature['v']:02x}"
    signer = data.signer(joined)
    if not signer == envelope["signer"] == document["signature"]["signer"]:
        raise _Wrong("the envelope is not signed by the attestation's signer")
    return f"signed by {signer}"
