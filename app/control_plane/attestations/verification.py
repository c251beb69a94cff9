"""Verifying an attestation offline: by the document alone, and the keys that one trusts.

It needs no database, network or settings, so it works on a saved file.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.control_plane.attestations import eas
from app.control_plane.attestations.eip712 import (
    ATTESTATION_NAME,
    ATTESTATION_TYPE,
    ATTESTATION_TYPES,
    ATTESTATION_VERSION,
    TypedData,
)
from app.control_plane.transparency_log import merkle
from app.control_plane.transparency_log.checkpoint import CheckpointVerifier
from app.core import canonical_json
from app.core.errors import GatewayError
from app.core.redaction import shortened

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.0{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_NODE_HASH = re.compile(r"[0-9a-fA-F]{64}")
_HEX = re.compile(r"0x[0-9a-fA-F]*")
# Characters of what a check says: it may repeat a part of the document.
MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check. ok: None where it cannot be determined."""

    ok: bool | None
    detail: str


class _CheckFailedError(Exception):
    """A check has failed; the message says why."""


def verify(
    document: Mapping[str, Any],
    signers: Collection[str],
    checkpoint_keys: Collection[CheckpointVerifier],
) -> dict[str, CheckResult]:
    """Check an attestation as `POST /api/attestations` returns it.

    signers: addresses of the attestors that one trusts, in EIP-55 form. checkpoint_keys: keys of
    the log that one trusts.

    Returns the results by the names hash, signature, signer, inclusion and revoked, and eas where
    the document has an envelope. It never raises, whatever the document contains. Members that no
    check looks at are those of `unsigned.unsigned_members`.
    """
    revoked = CheckResult(None, "only the log shows whether it was revoked since")
    if document.get("revoked") is not None:
        revoked = CheckResult(False, "the document itself says that it was revoked")
    checks = {
        "hash": _run(_check_hash, document),
        "signature": _run(_check_signature, document),
        "signer": _run(_check_signer, document, signers),
        "inclusion": _run(_check_inclusion, document, checkpoint_keys),
        "revoked": revoked,
    }
    if document.get("eas") is not None:
        checks["eas"] = _run(_check_eas, document)
    return checks


def is_valid(checks: Mapping[str, CheckResult]) -> bool:
    """Whether every check has passed, or is that of a revocation that cannot be determined."""
    return all(
        check.ok or (name == "revoked" and check.ok is None) for name, check in checks.items()
    )


def _run(check: Any, *arguments: Any) -> CheckResult:
    try:
        return CheckResult(True, shortened(check(*arguments), MAX_DETAIL))
    except _CheckFailedError as failure:
        return CheckResult(False, shortened(str(failure), MAX_DETAIL))
    except GatewayError as error:
        return CheckResult(False, shortened(error.message, MAX_DETAIL))
    except Exception:  # a hostile document can fail in as many ways as there are types
        return CheckResult(False, "a part is missing, or not of the form that an attestation has")


def _check_hash(document: Mapping[str, Any]) -> str:
    text = document["bytes"]
    if canonical_json.digest(text) != document["hash"]:
        raise _CheckFailedError("the SHA-256 of the bytes is not the hash")
    data = canonical_json.parse(text)
    if canonical_json.canonicalize(data) != text:
        raise _CheckFailedError("the bytes are not in canonical form")
    # These members repeat what the bytes say.
    repeated = {
        "data": data,
        "kind": data["kind"],
        "evidence": data["kind"],
        "delta_one": data["delta_one"],
    }
    for name, value in repeated.items():
        if name in document and not canonical_json.is_equal(document[name], value):
            raise _CheckFailedError(f"{name} is not what the bytes say")
    _check_proof(document.get("proof"), data.get("proof_sha256"))
    return "the hash is that of the bytes, and the document says the same as the bytes"


def _check_proof(proof: object, digest: object) -> None:
    """Whether a proof is the one that was checked before this attestation was signed."""
    if proof is None and digest is None:
        return
    if proof is None or canonical_json.digest(canonical_json.canonicalize(proof)) != digest:
        raise _CheckFailedError("proof is not the one whose SHA-256 the bytes have")


def _check_signature(document: Mapping[str, Any]) -> str:
    signed = document["signature"]
    message, domain = signed["message"], signed["domain"]
    # The document must not choose what its signature means, so only one type is accepted.
    if signed["primaryType"] != ATTESTATION_TYPE or signed["types"] != ATTESTATION_TYPES:
        raise _CheckFailedError("the signature is not over an attestation's type")
    if (domain["name"], domain["version"]) != (ATTESTATION_NAME, ATTESTATION_VERSION):
        raise _CheckFailedError("the signature is not for the domain of attestations")
    if message["attestationHash"] != f"0x{document['hash']}":
        raise _CheckFailedError("the signature is over another hash")
    attested = canonical_json.parse(document["bytes"])
    if message["kind"] != attested["kind"]:
        raise _CheckFailedError("the signature is over another kind of attestation")
    if not _is_same_address(attested["issuer"], signed["signer"]):
        raise _CheckFailedError("the bytes name another issuer than the signer")
    if "created_at" in document and not _is_time(document["created_at"], message["issuedAt"]):
        raise _CheckFailedError("created_at is not the time that was signed")
    data = TypedData(domain, ATTESTATION_TYPES, ATTESTATION_TYPE, message)
    _require(_HEX, signed["signature"], "the signature is not 0x and hexadecimal digits")
    if not _is_same_address(data.signer(signed["signature"]), signed["signer"]):
        raise _CheckFailedError(f"the signature was not made by {signed['signer']}")
    return f"signed by {signed['signer']}"


def _is_time(text: str, seconds: int) -> bool:
    """Whether a text (RFC 3339) is a time in seconds since 1970-01-01 UTC."""
    # Python reads further forms, and not each version of it the same ones.
    return _TIME.fullmatch(text) is not None and datetime.fromisoformat(text).timestamp() == seconds


def _check_signer(document: Mapping[str, Any], signers: Collection[str]) -> str:
    signer = document["signature"]["signer"]
    if not any(_is_same_address(one, signer) for one in signers):
        raise _CheckFailedError(f"{signer} is not a trusted attestor")
    return f"{signer} is a trusted attestor"


def _check_inclusion(
    document: Mapping[str, Any], checkpoint_keys: Collection[CheckpointVerifier]
) -> str:
    log = document["log"]
    entry = canonical_json.parse(log["entry"])
    if entry["kind"] != "attested" or entry["attestation"] != document["hash"]:
        raise _CheckFailedError("the log entry is about something else")
    if not _is_same_address(entry["signer"], document["signature"]["signer"]):
        raise _CheckFailedError("the log entry names another signer")
    if document["signature"]["message"]["nonce"] != log["index"]:
        raise _CheckFailedError("another index in the log was signed")
    checkpoint = None
    for key in checkpoint_keys:
        try:
            checkpoint = key.open(log["checkpoint"])
            break
        except ValueError:
            continue
    if checkpoint is None:
        raise _CheckFailedError("the checkpoint is not signed by a trusted key of the log")
    if not _is_index(log["index"]) or not _is_index(log["tree_size"]):
        raise _CheckFailedError("index or tree_size is not a whole number")
    if checkpoint.size != log["tree_size"]:
        raise _CheckFailedError("the proof is for another size of the log than the checkpoint")
    if not isinstance(log["proof"], list):
        raise _CheckFailedError("the proof is not a list")
    for item in log["proof"]:
        _require(_NODE_HASH, item, "the proof has a member that is not 64 hexadecimal digits")
    proof = [bytes.fromhex(item) for item in log["proof"]]
    leaf = merkle.leaf_hash(log["entry"].encode())
    if not merkle.verify_inclusion(leaf, log["index"], checkpoint.size, proof, checkpoint.root):
        raise _CheckFailedError("the proof does not lead to the checkpoint's root")
    return f"entry {log['index']} of the log {checkpoint.origin} at size {checkpoint.size}"


def _is_same_address(one: str, other: str) -> bool:
    """Whether two addresses are the same, whatever their casing."""
    return one.lower() == other.lower()


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require(pattern: re.Pattern[str], text: str, reason: str) -> None:
    """Raises _CheckFailedError where a text is not as other readers of JSON require it."""
    if pattern.fullmatch(text) is None:
        raise _CheckFailedError(reason)


def _check_eas(document: Mapping[str, Any]) -> str:
    envelope = document["eas"]
    signed = envelope["sig"]
    message, signature = signed["message"], signed["signature"]
    if signed["primaryType"] != eas.PRIMARY_TYPE or signed["types"] != eas.TYPES:
        raise _CheckFailedError(
            "the envelope is not of the type of EAS's off-chain attestations, version 2"
        )
    if not _is_index(signed["version"]) or signed["version"] != message["version"]:
        raise _CheckFailedError("the envelope's version is not that of its message")
    if signed["domain"]["name"] != eas.NAME:
        raise _CheckFailedError("the envelope is not for the domain of EAS")
    kind = canonical_json.parse(document["bytes"])["kind"]
    if (message["schema"], message["data"]) != (
        eas.schema_uid(),
        eas.schema_data(document["hash"], kind),
    ):
        raise _CheckFailedError("the envelope attests something else")
    if eas.uid(message) != signed["uid"]:
        raise _CheckFailedError("the envelope's uid is not that of its message")
    data = TypedData(signed["domain"], eas.TYPES, eas.PRIMARY_TYPE, message)
    for part in (signature["r"], signature["s"]):
        _require(_HEX, part, "r or s is not 0x and hexadecimal digits")
    joined = f"{signature['r']}{signature['s'][2:]}{signature['v']:02x}"
    signer = data.signer(joined)
    named = (envelope["signer"], document["signature"]["signer"])
    if not all(_is_same_address(signer, name) for name in named):
        raise _CheckFailedError("the envelope is not signed by the attestation's signer")
    return f"signed by {signer}"
