"""The checks of one attestation, each independent of the others' outcome where possible.

Longer than most files here: one class makes all checks, because later ones use earlier ones.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from typing import Any, Mapping, Sequence

from hokusai.verify import eas, eip712, merkle
from hokusai.verify.acceptance import check_acceptance
from hokusai.verify.attested_files import check_files
from hokusai.verify.bundle import check_bundle
from hokusai.verify.checkpoint import Checkpoint
from hokusai.verify.ethereum import from_hex, recover
from hokusai.verify.json_fields import (
    CheckFailed,
    NotChecked,
    hashes_at,
    integer_at,
    member,
    object_at,
    text_at,
)
from hokusai.verify.log_export import LogExport
from hokusai.verify.model_files import ModelFile
from hokusai.verify.model_signature import (
    ModelSignature,
    read_signature,
    require_agreement,
    result_of,
)
from hokusai.verify.proof import check_proof, proof_digest
from hokusai.verify.report import Report, make_check
from hokusai.verify.strict_json import canonical_json, equal_json, parse
from hokusai.verify.trust import Trust
from hokusai.verify.unsigned import unsigned_members

DOMAIN_NAME = "HokusaiAttestation"
DOMAIN_VERSION = "1"
TYPE = "Attestation"
# RFC 3339. Python reads further forms, and not each version of it the same ones.
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.0{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
# The SDK itself makes `unsigned` attestations, where no gateway can be reached.
KINDS = ("proven", "witnessed", "claimed", "unsigned")


class Verification:
    """Makes the checks. Later ones use what earlier ones have established."""

    def __init__(
        self,
        document: dict[str, Any],
        trust: Trust,
        saved: Checkpoint | None,
        consistency: Mapping[str, Any] | None,
        export: LogExport | None,
        bundle: Mapping[str, Any] | None = None,
        model: Sequence[ModelFile] | None = None,
        listed: Sequence[ModelFile] | None = None,
        signature: Mapping[str, Any] | None = None,
    ) -> None:
        """Take what `hokusai.verify.verify` was called with, parsed.

        Args:
            document: The attestation.
            trust: The trusted attestors and log keys.
            saved: The caller's own checkpoint.
            consistency: The proof between that checkpoint and the attestation's.
            export: The caller's copy of the log.
            bundle: The caller's bundle of the attestation.
            model: The files of the caller's copy of the model.
            listed: The files of the model as the gateway listed them.
            signature: The caller's signature of the model.
        """
        self._document = document
        self._trust = trust
        self._saved = saved
        self._consistency = consistency
        self._export = export
        self._bundle = bundle
        self._model = model
        self._listed = listed
        self._signature = signature
        # The files that the signature lists, once it is known to be about the attested model.
        self._signed_files: ModelSignature | None = None
        # What the hashed bytes say, once their hash has been checked.
        self._data: dict[str, Any] | None = None
        # Who signed, once the signature has been checked.
        self._signer: str | None = None
        # The checkpoint in the document, once it has been parsed.
        self._embedded: Checkpoint | None = None
        # Checkpoints that a trusted key has signed, or that the caller has saved.
        self._trusted: list[Checkpoint] = []
        # Those of them that are in one line with the document's checkpoint.
        self._connected: list[Checkpoint] = []

    def report(self) -> Report:
        """Make all checks for which the caller has provided documents."""
        checks = [
            make_check("hash", self._check_hash),
            make_check("signature", self._check_signature),
            make_check("signer", self._check_signer),
            make_check("eas", self._check_eas),
            make_check("checkpoint", self._check_checkpoint),
        ]
        data = self._data
        if data is not None and data["kind"] == "proven":
            checks.append(make_check("proof", lambda: self._check_proof(data)))
        if data is not None and data.get("evaluation") is not None:
            checks.append(make_check("acceptance", lambda: check_acceptance(data["evaluation"])))
        saved, export, bundle = self._saved, self._export, self._bundle
        if bundle is not None:
            checks.insert(4, make_check("bundle", lambda: self._check_bundle(bundle)))
        signature, model = self._signature, self._model
        if signature is not None:
            checks.append(
                make_check("model_signature", lambda: self._check_model_signature(signature))
            )
        if model is not None:
            checks.append(
                make_check(
                    "model",
                    lambda: check_files(self._data, model, self._listed, self._signed_files),
                )
            )
        if saved is not None:
            checks.append(make_check("consistency", lambda: self._check_consistency(saved)))
        if export is not None:
            checks.append(make_check("export", lambda: self._check_export(export)))
        checks.append(make_check("inclusion", self._check_inclusion))
        if self._trust.witnesses:
            checks.append(make_check("witnesses", self._check_witnesses))
        checks.append(make_check("revocation", self._check_revocation))
        digest = self._document.get("hash")
        return Report(
            checks=tuple(checks),
            hash=digest if isinstance(digest, str) else None,
            signer=self._signer,
            data=self._data,
            unsigned=unsigned_members(self._document),
        )

    def _check_hash(self) -> str:
        text, digest = text_at(self._document, "bytes"), text_at(self._document, "hash")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            raise CheckFailed("the SHA-256 of the bytes is not the hash")
        data = parse(text)
        if not isinstance(data, dict) or data.get("kind") not in KINDS:
            raise CheckFailed("the bytes are not the data of an attestation")
        if canonical_json(data) != text:
            raise CheckFailed("the bytes are not in the form that is hashed: sorted JSON")
        # These members repeat what the bytes say, and must agree with them.
        repeated = {
            "data": data,
            "kind": data["kind"],
            "evidence": data["kind"],
            "delta_one": data.get("delta_one"),
        }
        for name, value in repeated.items():
            if name in self._document and not equal_json(self._document[name], value):
                raise CheckFailed(f"{name} differs from what the bytes say")
        proof, proof_hash = self._document.get("proof"), data.get("proof_sha256")
        if (None if proof is None else proof_digest(proof)) != proof_hash:
            raise CheckFailed("proof is not the one whose SHA-256 the bytes have")
        if (proof is None) == (data["kind"] == "proven"):
            raise CheckFailed("an attestation has a proof if it is of the kind proven, else none")
        self._data = data
        return "the hash is that of the bytes, and the document says the same as the bytes"

    def _check_proof(self, data: Mapping[str, Any]) -> str:
        return check_proof(self._document, data, self._trust.circuits)

    def _check_signature(self) -> str:
        if self._document.get("kind") == "unsigned":
            raise CheckFailed("it is unsigned: no gateway has seen it")
        signed = object_at(self._document, "signature")
        message, domain = object_at(signed, "message"), object_at(signed, "domain")
        digest = text_at(self._document, "hash")
        if member(signed, "primaryType") != TYPE or member(signed, "types") != eip712.types_member(
            TYPE, eip712.ATTESTATION
        ):
            raise CheckFailed("the signed type is not that of an attestation")
        if (member(domain, "name"), member(domain, "version")) != (DOMAIN_NAME, DOMAIN_VERSION):
            raise CheckFailed("the signed domain is not that of attestations")
        if member(message, "attestationHash") != f"0x{digest}":
            raise CheckFailed("another hash was signed")
        signer = recover(
            eip712.typed_data_digest(domain, TYPE, eip712.ATTESTATION, message),
            from_hex(text_at(signed, "signature")),
        )
        if signer.lower() != text_at(signed, "signer").lower():
            raise CheckFailed(f"it is signed by {signer}, not by the signer that it names")
        if self._data is not None:
            if member(message, "kind") != self._data["kind"]:
                raise CheckFailed("another kind of attestation was signed")
            if self._data.get("issuer", signer) != signer:
                raise CheckFailed(f"the data names another issuer than {signer}, who signed")
        self._check_time(integer_at(message, "issuedAt"))
        self._signer = signer
        return f"signed by {signer}"

    def _check_time(self, issued_at: int) -> None:
        if "created_at" not in self._document:
            return
        text = text_at(self._document, "created_at")
        try:
            # Before 3.11 Python does not read Z, nor fractions of other lengths.
            created_at = datetime.datetime.fromisoformat(
                re.sub(r"\.0+", "", text).replace("Z", "+00:00")
            )
            is_same = _TIME.fullmatch(text) is not None and created_at.timestamp() == issued_at
        except (ValueError, OverflowError, OSError):
            is_same = False
        if not is_same:
            raise CheckFailed("created_at is not the time that was signed")

    def _check_signer(self) -> str:
        if self._signer is None:
            raise NotChecked("the signature does not hold, so there is no signer")
        if not self._trust.attestors:
            raise NotChecked(f"signed by {self._signer}, but you have named no attestor to trust")
        if self._signer not in self._trust.attestors:
            raise CheckFailed(f"signed by {self._signer}, which is not an attestor that you trust")
        return f"{self._signer} is an attestor that you trust"

    def _check_eas(self) -> str:
        if self._document.get("eas") is None:
            raise NotChecked("there is no EAS envelope")
        if self._data is None:
            raise NotChecked("the hash does not hold, so there is nothing to compare with")
        signer = eas.envelope_signer(
            object_at(self._document, "eas"), text_at(self._document, "hash"), self._data["kind"]
        )
        if self._signer is not None and signer != self._signer:
            raise CheckFailed(f"the envelope is signed by {signer}, the attestation by another key")
        return f"an EAS off-chain attestation of the same hash, signed by {signer}"

    def _check_model_signature(self, bundle: Mapping[str, Any]) -> str:
        signature = read_signature(bundle, self._trust.envelope_keys)
        if self._data is None:
            raise NotChecked("the hash does not hold, so there is nothing to compare with")
        require_agreement(signature, self._data)
        self._signed_files = signature
        return result_of(signature)

    def _check_bundle(self, bundle: Mapping[str, Any]) -> str:
        keys = self._trust.envelope_keys
        return check_bundle(bundle, keys, text_at(self._document, "hash"), self._data)

    def _check_checkpoint(self) -> str:
        if self._document.get("log") is None:
            raise NotChecked("the document has no log entry")
        embedded = self._trust.checkpoint(text_at(self._document, "log", "checkpoint"))
        self._embedded = embedded
        if not self._trust.log_keys:
            raise NotChecked(
                f"it is a checkpoint of {embedded.origin} at size {embedded.size}, but you have "
                "named no log key to trust"
            )
        if embedded.signed_by is None:
            raise CheckFailed(f"no log key that you trust for {embedded.origin} has signed it")
        self._trusted.append(embedded)
        self._connected.append(embedded)
        return f"{embedded.origin} at size {embedded.size}, signed by {embedded.signed_by}"

    def _check_consistency(self, saved: Checkpoint) -> str:
        if self._trust.log_keys and saved.signed_by is None:
            raise CheckFailed(f"no log key that you trust for {saved.origin} has signed yours")
        # Without a key, a checkpoint that the caller saved is trusted all the same.
        self._trusted.append(saved)
        embedded = self._embedded
        if embedded is None:
            raise NotChecked("the document has no checkpoint to compare with yours")
        if saved.origin != embedded.origin:
            raise CheckFailed(
                f"your checkpoint is one of {saved.origin}, the document's of {embedded.origin}"
            )
        first, second = sorted((saved, embedded), key=lambda checkpoint: checkpoint.size)
        if first.size == second.size:
            if first.root != second.root:
                raise CheckFailed(
                    f"the log has shown two different trees of {first.size} entries: keep both "
                    "checkpoints, which prove it"
                )
        elif not self._is_extended(first, second):
            raise NotChecked(
                f"yours has size {saved.size} and the document's {embedded.size}: fetch /api/"
                f"attestations/log/proof?first={first.size}&second={second.size}"
            )
        if embedded not in self._trusted:
            self._trusted.append(embedded)
        self._connected = [embedded, saved]
        return f"the tree of {second.size} entries extends that of {first.size}"

    def _is_extended(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether the log at `second` is proved to extend that at `first`.

        False where nothing could prove it; a wrong proof raises CheckFailed.
        """
        if self._consistency is not None:
            sizes = (
                integer_at(self._consistency, "first"),
                integer_at(self._consistency, "tree_size"),
            )
            if sizes == (first.size, second.size):
                proof = hashes_at(self._consistency, "proof")
                if not merkle.consistency_holds(*sizes, proof, first.root, second.root):
                    raise CheckFailed("the proof does not lead from one checkpoint to the other")
                return True
        if self._export is not None:
            roots = self._export.roots(first.size, second.size)
            if len(roots) == 2:
                if roots != {first.size: first.root, second.size: second.root}:
                    raise CheckFailed("the exported entries do not match both checkpoints")
                return True
        return False

    def _check_export(self, export: LogExport) -> str:
        comparable = [*self._trusted, *([] if self._embedded is None else [self._embedded])]
        if not comparable:
            raise NotChecked("there is no checkpoint to compare the export with")
        roots = export.roots(*(checkpoint.size for checkpoint in comparable))
        for checkpoint in comparable:
            if checkpoint.size in roots and roots[checkpoint.size] != checkpoint.root:
                raise CheckFailed(
                    f"its entries do not match the checkpoint of size {checkpoint.size}"
                )
        covered = [checkpoint.size for checkpoint in self._trusted if checkpoint.size in roots]
        if not covered:
            raise NotChecked(
                f"none of its {len(export.entries)} entries is covered by a checkpoint that you "
                "trust"
            )
        return f"its first {max(covered)} entries are those of the log"

    def _check_inclusion(self) -> str:
        if self._document.get("log") is None:
            raise NotChecked("the document has no log entry")
        log, digest = object_at(self._document, "log"), text_at(self._document, "hash")
        index, size = integer_at(log, "index"), integer_at(log, "tree_size")
        entry = parse(text_at(log, "entry"))
        if member(entry, "kind") != "attested" or member(entry, "attestation") != digest:
            raise CheckFailed("the entry is about something else")
        if self._signer is not None:
            if entry.get("signer", self._signer) != self._signer:
                raise CheckFailed("the entry names another signer")
            if integer_at(self._document, "signature", "message", "nonce") != index:
                raise CheckFailed("another index in the log was signed")
        embedded = self._embedded
        if embedded is None:
            raise CheckFailed("there is no checkpoint that the proof could lead to")
        if embedded.size != size:
            raise CheckFailed("the proof is for another size of the log than the checkpoint")
        leaf = merkle.leaf_hash(text_at(log, "entry").encode())
        if not merkle.inclusion_holds(leaf, index, size, hashes_at(log, "proof"), embedded.root):
            raise CheckFailed("the proof does not lead to the checkpoint's root hash")
        if not any(
            (embedded.size, embedded.root) == (checkpoint.size, checkpoint.root)
            for checkpoint in self._trusted
        ):
            raise NotChecked(
                "the proof leads to the checkpoint's root hash, but you do not trust the checkpoint"
            )
        return f"entry {index} of the log {embedded.origin} at size {size}"

    def _check_witnesses(self) -> str:
        if self._document.get("log") is None:
            raise NotChecked("the document has no log entry")
        index = integer_at(self._document, "log", "index")
        covering = [checkpoint for checkpoint in self._connected if checkpoint.size > index]
        if not covering:
            raise NotChecked("there is no checkpoint with this entry that you trust")
        best = max(covering, key=lambda checkpoint: len(checkpoint.cosigned_by))
        if len(best.cosigned_by) < self._trust.quorum:
            raise CheckFailed(
                f"its checkpoint is cosigned by {len(best.cosigned_by)} of your witnesses, and "
                f"{self._trust.quorum} are required"
            )
        return f"the tree of {best.size} entries is cosigned by {', '.join(best.cosigned_by)}"

    def _check_revocation(self) -> str:
        if self._document.get("revoked") is not None:
            raise CheckFailed("the document itself says that it was revoked")
        if self._export is None:
            raise NotChecked("only a copy of the log can show whether it was revoked")
        revocation = self._export.revocation(text_at(self._document, "hash"))
        if revocation is not None:
            raise CheckFailed(f"entry {revocation[0]} of the log revokes it: {revocation[1]}")
        roots = self._export.roots(*(checkpoint.size for checkpoint in self._trusted))
        covered = [
            checkpoint.size
            for checkpoint in self._trusted
            if roots.get(checkpoint.size) == checkpoint.root
        ]
        if not covered:
            raise NotChecked(
                f"none of {len(self._export.entries)} exported entries revokes it, but they are "
                "not covered by a checkpoint that you trust"
            )
        return f"none of the log's first {max(covered)} entries revokes it"
