"""Verifying an attestation by what one holds in one's hands: no network, no gateway."""

from __future__ import annotations

import datetime
import hashlib
import os
from typing import Any, Callable, Iterable, Mapping

from hokusai.errors import DocumentError, InputError
from hokusai.verify import eas, eip712, merkle
from hokusai.verify.checkpoint import Checkpoint, parse_checkpoint
from hokusai.verify.ethereum import from_hex, recover
from hokusai.verify.json_fields import (
    CheckFailed,
    NotChecked,
    hashes_at,
    integer_at,
    object_at,
    part,
    text_at,
)
from hokusai.verify.log_export import LogExport
from hokusai.verify.report import Check, Report, Result
from hokusai.verify.strict_json import MAX_BYTES, canonical_json, checked_copy, equal_json, parse
from hokusai.verify.trust import Trust

NAME = "HokusaiAttestation"
VERSION = "1"
TYPE = "Attestation"
# The last is what the SDK itself makes where no gateway was in reach.
KINDS = ("witnessed", "claimed", "unsigned")


def verify(
    attestation: str | bytes | Mapping[str, Any],
    *,
    attestors: str | Iterable[str] = (),
    log_keys: str | Iterable[str] = (),
    known: Mapping[str, Any] | None = None,
    checkpoint: str | None = None,
    consistency: Mapping[str, Any] | None = None,
    log: LogExport | None = None,
) -> Report:
    """Check an attestation as the gateway gave it out, as JSON or parsed.

    attestors: addresses whose signatures one believes. log_keys: keys of the log, as C2SP
    signed-note writes them. known: what `/.well-known/hokusai-attestor.json` said, which has both.
    checkpoint: a signed note of the log that one has from elsewhere, such as from last month.
    consistency: the gateway's answer to `/api/attestations/log/proof?first=&second=`, where that
    checkpoint is of another size than the attestation's. log: an export of the log, which tells
    whether the attestation was revoked.

    Raises DocumentError for what is not a JSON object, is too large or too deep, and for a
    `checkpoint` that is none, and InputError for an address or key that is none. Whatever else is
    wrong with the attestation is in the report.
    """
    given = (
        parse(attestation) if isinstance(attestation, (str, bytes)) else checked_copy(attestation)
    )
    if not isinstance(given, dict):
        raise DocumentError("An attestation is a JSON object.")
    trust = Trust.of(attestors, log_keys)
    if known is not None:
        trust |= Trust.from_well_known(known)
    if consistency is not None:
        consistency = checked_copy(consistency)
        if not isinstance(consistency, dict):
            raise DocumentError("A consistency proof is a JSON object.")
        if checkpoint is None:
            raise InputError("A consistency proof needs the checkpoint that it begins or ends at.")
    held = None if checkpoint is None else _held(checkpoint, trust)
    return _Verification(given, trust, held, consistency, log).report()


def _held(checkpoint: Any, trust: Trust) -> Checkpoint:
    if not isinstance(checkpoint, str):
        raise InputError("A checkpoint is a text, as GET /api/attestations/log gives it.")
    try:
        return parse_checkpoint(checkpoint, trust.log_keys)
    except ValueError as error:
        raise DocumentError(f"What you hold is no checkpoint of a log: {error}.") from None


def verify_file(path: str | os.PathLike[str], **trusted: Any) -> Report:
    """Check an attestation in a file; the rest is as in `verify`.

    Raises DocumentError also for a file that cannot be read.
    """
    return verify(read_file(path), **trusted)


def read_file(path: str | os.PathLike[str], largest: int = MAX_BYTES) -> bytes:
    """A file's bytes. Raises DocumentError if it cannot be read, or is larger than `largest`."""
    try:
        with open(path, "rb") as file:
            found = file.read(largest + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not one"
        raise DocumentError(f"{os.fspath(path)} cannot be read: {reason}.") from None
    if len(found) > largest:
        raise DocumentError(f"{os.fspath(path)} is larger than {largest // 1024} KiB.")
    return found


class _Verification:
    """The checks of one attestation; later ones look at what earlier ones have found."""

    def __init__(
        self,
        document: dict[str, Any],
        trust: Trust,
        given: Checkpoint | None,
        consistency: Mapping[str, Any] | None,
        export: LogExport | None,
    ) -> None:
        self._document = document
        self._trust = trust
        self._given = given
        self._consistency = consistency
        self._export = export
        self._data: dict[str, Any] | None = None
        self._signer: str | None = None
        self._shown: Checkpoint | None = None
        self._held: Checkpoint | None = None
        # Checkpoints that a key of the log has signed, or that the user holds.
        self._believed: list[Checkpoint] = []

    def report(self) -> Report:
        checks = [
            self._check("hash", self._check_hash),
            self._check("signature", self._check_signature),
            self._check("signer", self._check_signer),
            self._check("eas", self._check_eas),
            self._check("checkpoint", self._check_checkpoint),
        ]
        if self._given is not None:
            checks.append(self._check("consistency", self._check_consistency))
        if self._export is not None:
            checks.append(self._check("export", self._check_export))
        checks.append(self._check("inclusion", self._check_inclusion))
        checks.append(self._check("revocation", self._check_revocation))
        digest = self._document.get("hash")
        return Report(
            checks=tuple(checks),
            hash=digest if isinstance(digest, str) else None,
            signer=self._signer,
            data=self._data,
        )

    def _check(self, name: str, check: Callable[[], str]) -> Check:
        try:
            return Check(name, Result.HOLDS, check())
        except CheckFailed as reason:
            return Check(name, Result.FAILS, str(reason))
        except NotChecked as reason:
            return Check(name, Result.UNCHECKED, str(reason))
        except (DocumentError, ValueError) as error:
            return Check(name, Result.FAILS, str(error))

    def _check_hash(self) -> str:
        text, digest = text_at(self._document, "bytes"), text_at(self._document, "hash")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            raise CheckFailed("the bytes have another SHA-256 than the hash says")
        data = parse(text)
        if not isinstance(data, dict) or data.get("kind") not in KINDS:
            raise CheckFailed("the bytes are not the data of an attestation")
        if canonical_json(data) != text:
            raise CheckFailed("the bytes are not in the form that is hashed: sorted JSON")
        # What stands beside the bytes is there for convenience, and must not say otherwise.
        beside = {
            "data": data,
            "kind": data["kind"],
            "evidence": data["kind"],
            "delta_one": data.get("delta_one"),
        }
        for name, value in beside.items():
            if name in self._document and not equal_json(self._document[name], value):
                raise CheckFailed(f"{name} is not what the bytes say")
        if self._document.get("proof") is not None:
            raise CheckFailed("proof has to be null: there is no kind of proof yet")
        self._data = data
        return "the hash is that of the bytes, and the bytes say what the document says"

    def _check_signature(self) -> str:
        if self._document.get("kind") == "unsigned":
            raise CheckFailed("it is unsigned: no gateway has seen it")
        given = object_at(self._document, "signature")
        message, domain = object_at(given, "message"), object_at(given, "domain")
        digest = text_at(self._document, "hash")
        if part(given, "primaryType") != TYPE or part(given, "types") != eip712.listed(
            TYPE, eip712.ATTESTATION
        ):
            raise CheckFailed("the signature is over another type than an attestation's")
        if (part(domain, "name"), part(domain, "version")) != (NAME, VERSION):
            raise CheckFailed("the signature is for another domain than that of attestations")
        if part(message, "attestationHash") != f"0x{digest}":
            raise CheckFailed("the signature is over another hash")
        signer = recover(
            eip712.digest(domain, TYPE, eip712.ATTESTATION, message),
            from_hex(text_at(given, "signature")),
        )
        if signer.lower() != text_at(given, "signer").lower():
            raise CheckFailed(
                f"the signature is {signer}'s, and not that of the signer who is named"
            )
        if self._data is not None:
            if part(message, "kind") != self._data["kind"]:
                raise CheckFailed("the signature is over another kind of attestation")
            if self._data.get("issuer", signer) != signer:
                raise CheckFailed(f"the data names another issuer than {signer}, who signed")
        self._check_time(integer_at(message, "issuedAt"))
        self._signer = signer
        return f"signed by {signer}"

    def _check_time(self, issued_at: int) -> None:
        if "created_at" not in self._document:
            return
        try:
            # Until 3.11 Python does not read Z.
            told = datetime.datetime.fromisoformat(
                text_at(self._document, "created_at").replace("Z", "+00:00")
            )
            same_second = int(told.timestamp()) == issued_at and told.tzinfo is not None
        except (ValueError, OverflowError, OSError):
            same_second = False
        if not same_second:
            raise CheckFailed("created_at is not the time that was signed")

    def _check_signer(self) -> str:
        if self._signer is None:
            raise NotChecked("the signature does not hold, so it is nobody's")
        if not self._trust.attestors:
            raise NotChecked(f"signed by {self._signer}, which you have not told me to trust")
        if self._signer not in self._trust.attestors:
            raise CheckFailed(f"signed by {self._signer}, which is not an attestor that you trust")
        return f"{self._signer} is an attestor that you trust"

    def _check_eas(self) -> str:
        if self._document.get("eas") is None:
            raise NotChecked("there is no EAS envelope")
        if self._data is None:
            raise NotChecked("the hash does not hold, so there is nothing to compare it with")
        signer = eas.envelope_signer(
            object_at(self._document, "eas"), text_at(self._document, "hash"), self._data["kind"]
        )
        if self._signer is not None and signer != self._signer:
            raise CheckFailed(
                f"the envelope is signed by {signer}, and the attestation by somebody else"
            )
        return f"an EAS off-chain attestation of the same hash, signed by {signer}"

    def _check_checkpoint(self) -> str:
        if self._document.get("log") is None:
            raise NotChecked("the document has no part of the log with it")
        shown = parse_checkpoint(text_at(self._document, "log", "checkpoint"), self._trust.log_keys)
        self._shown = shown
        if not self._trust.log_keys:
            raise NotChecked(
                f"it is one of the log {shown.origin} at size {shown.size}; you have not given the "
                "key of the log"
            )
        if shown.signed_by is None:
            raise CheckFailed("it is not signed by a key of the log that you trust")
        self._believed.append(shown)
        return f"{shown.origin} at size {shown.size}, signed by {shown.signed_by}"

    def _check_consistency(self) -> str:
        held = self._given
        assert held is not None
        if self._trust.log_keys and held.signed_by is None:
            raise CheckFailed("the checkpoint that you hold is not signed by a key that you trust")
        self._held = held
        # Whoever holds a checkpoint believes it, also without the key.
        self._believed.append(held)
        shown = self._shown
        if shown is None:
            raise NotChecked("the document has no checkpoint to compare with yours")
        if held.origin != shown.origin:
            raise CheckFailed(
                f"your checkpoint is one of {held.origin}, the document's of {shown.origin}"
            )
        first, second = sorted((held, shown), key=lambda each: each.size)
        if first.size == second.size:
            if first.root != second.root:
                raise CheckFailed(
                    f"the log has shown two different trees of {first.size} entries: keep both "
                    "checkpoints, they prove it"
                )
        elif not self._grew(first, second):
            raise NotChecked(
                f"yours is of size {held.size} and the document's of {shown.size}: ask for /api/"
                f"attestations/log/proof?first={first.size}&second={second.size}"
            )
        if shown not in self._believed:
            self._believed.append(shown)
        return f"the tree of {second.size} entries begins with that of {first.size}"

    def _grew(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether that is proved; False where there is nothing to prove it with."""
        if self._consistency is not None:
            sizes = (
                integer_at(self._consistency, "first"),
                integer_at(self._consistency, "tree_size"),
            )
            if sizes == (first.size, second.size):
                proof = hashes_at(self._consistency, "proof")
                if not merkle.consistency_holds(*sizes, proof, first.root, second.root):
                    raise CheckFailed(
                        "the proof does not lead from the one checkpoint to the other"
                    )
                return True
        if self._export is not None:
            roots = self._export.roots(first.size, second.size)
            if len(roots) == 2:
                if roots != {first.size: first.root, second.size: second.root}:
                    raise CheckFailed("the exported entries do not make both checkpoints")
                return True
        return False

    def _check_export(self) -> str:
        assert self._export is not None
        known = [each for each in (self._held, self._shown) if each is not None]
        if not known:
            raise NotChecked("there is no checkpoint to compare the export with")
        roots = self._export.roots(*(each.size for each in known))
        for each in known:
            if each.size in roots and roots[each.size] != each.root:
                raise CheckFailed(
                    f"its entries are not those of the checkpoint of size {each.size}"
                )
        covered = [each for each in self._believed if each.size in roots]
        if not covered:
            raise NotChecked(
                f"none of its {len(self._export.entries)} entries is under a checkpoint that is "
                "signed by a key that you trust"
            )
        return f"its first {max(each.size for each in covered)} entries are those of the log"

    def _check_inclusion(self) -> str:
        if self._document.get("log") is None:
            raise NotChecked("the document has no part of the log with it")
        log, digest = object_at(self._document, "log"), text_at(self._document, "hash")
        index, size = integer_at(log, "index"), integer_at(log, "tree_size")
        entry = parse(text_at(log, "entry"))
        if part(entry, "kind") != "attested" or part(entry, "attestation") != digest:
            raise CheckFailed("the entry is about something else")
        if self._signer is not None:
            if entry.get("signer", self._signer) != self._signer:
                raise CheckFailed("the entry names another signer")
            if integer_at(self._document, "signature", "message", "nonce") != index:
                raise CheckFailed("the signature is for another place in the log")
        shown = self._shown
        if shown is None:
            raise CheckFailed("there is no checkpoint that the proof could lead to")
        if shown.size != size:
            raise CheckFailed("the proof is for another size of the log than the checkpoint")
        leaf = merkle.leaf_hash(text_at(log, "entry").encode())
        if not merkle.inclusion_holds(leaf, index, size, hashes_at(log, "proof"), shown.root):
            raise CheckFailed("the proof does not lead to the checkpoint's root")
        if not any((shown.size, shown.root) == (each.size, each.root) for each in self._believed):
            raise NotChecked(
                "the proof leads to the checkpoint's root, but nobody whom you trust stands behind "
                "that checkpoint"
            )
        return f"entry {index} of the log {shown.origin} at size {size}"

    def _check_revocation(self) -> str:
        if self._document.get("revoked") is not None:
            raise CheckFailed("the document itself says that it was revoked")
        if self._export is None:
            raise NotChecked("only the log can tell whether it was revoked: give an export of it")
        digest = text_at(self._document, "hash")
        found = self._export.revocation(digest)
        if found is not None:
            raise CheckFailed(f"entry {found[0]} of the log revokes it: {found[1]}")
        entries = self._export.entries
        roots = self._export.roots(*(each.size for each in self._believed))
        covered = [each.size for each in self._believed if roots.get(each.size) == each.root]
        if not covered:
            raise NotChecked(
                f"none of {len(entries)} exported entries revokes it, but nobody whom you trust "
                "stands behind them"
            )
        return f"none of the log's first {max(covered)} entries revokes it"
