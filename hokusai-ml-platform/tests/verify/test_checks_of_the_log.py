"""The checks that use the log: checkpoint, consistency, export, inclusion and revocation."""

from __future__ import annotations

import copy
import json

from hokusai.verify import LogExport, Result, verify
from vector_file import EXPORT, IMPROVEMENT, KNOWN, SIGNER, VECTORS, changed, failing, without

OTHER = "0x" + "11" * 20


# --- checkpoint and consistency ---


def test_a_checkpoint_that_no_trusted_key_has_signed_fails() -> None:
    note = IMPROVEMENT["log"]["checkpoint"]
    body, _, signature = note.partition("\n\n")
    forged = f"{body}\n\n{signature.split(' ')[0]} evil.example {signature.split(' ')[2]}"
    report = verify(changed(IMPROVEMENT, ("log", "checkpoint"), forged), known=KNOWN)
    assert "checkpoint" in failing(report)
    assert report["inclusion"].result is Result.UNCHECKED


def test_a_saved_checkpoint_of_another_size_needs_a_proof() -> None:
    early = VECTORS["early_checkpoint"]
    report = verify(IMPROVEMENT, known=KNOWN, checkpoint=early)
    assert report["consistency"].result is Result.UNCHECKED
    assert "first=1&second=5" in report["consistency"].detail
    proof = VECTORS["consistency"]
    proved = verify(IMPROVEMENT, known=KNOWN, checkpoint=early, consistency=proof)
    assert proved["consistency"].result is Result.HOLDS
    # A copy of the log proves it too.
    assert verify(IMPROVEMENT, known=KNOWN, checkpoint=early, log=EXPORT).complete
    # A proof between other sizes proves nothing.
    other = changed(proof, ("first",), 2)
    report = verify(IMPROVEMENT, known=KNOWN, checkpoint=early, consistency=other)
    assert report["consistency"].result is Result.UNCHECKED


def test_a_saved_checkpoint_is_trusted_without_a_log_key() -> None:
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint=VECTORS["checkpoint"])
    assert report.ok
    assert report["checkpoint"].result is Result.UNCHECKED
    assert report["inclusion"].result is Result.HOLDS
    early = VECTORS["early_checkpoint"]
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint=early, log=EXPORT)
    assert report["inclusion"].result is Result.HOLDS


def test_with_a_log_key_a_saved_checkpoint_must_be_signed_by_it() -> None:
    body = VECTORS["checkpoint"].split("\n\n")[0]
    foreign = f"{body}\n\n\N{EM DASH} other.example AAAAAAAA\n"
    report = verify(IMPROVEMENT, known=KNOWN, checkpoint=foreign)
    assert report["consistency"].result is Result.FAILS
    assert (
        "no log key that you trust for hokusai.registry/attestations has signed yours"
        in report["consistency"].detail
    )


def test_a_saved_checkpoint_of_another_log_fails() -> None:
    renamed = VECTORS["checkpoint"].replace("hokusai.registry", "other.example", 1)
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint=renamed)
    assert "is one of other.example/attestations" in report["consistency"].detail
    assert not report.ok


def test_without_a_checkpoint_in_the_document_there_is_nothing_to_compare() -> None:
    document = without(IMPROVEMENT, "log")
    report = verify(document, known=KNOWN, checkpoint=VECTORS["checkpoint"])
    assert report["consistency"].result is Result.UNCHECKED
    assert "no checkpoint to compare with yours" in report["consistency"].detail


def test_a_consistency_proof_that_does_not_hold_fails() -> None:
    proof = changed(VECTORS["consistency"], ("proof", 0), "00" * 32)
    report = verify(
        IMPROVEMENT, known=KNOWN, checkpoint=VECTORS["early_checkpoint"], consistency=proof
    )
    assert failing(report) == {"consistency"}
    assert not report.ok


def with_root(note: str, root: str = "A" * 43 + "=") -> str:
    """A checkpoint with another root hash."""
    lines = note.split("\n")
    lines[2] = root
    return "\n".join(lines)


def test_two_trees_of_the_same_size_are_reported() -> None:
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint=with_root(VECTORS["checkpoint"]))
    assert "two different trees" in report["consistency"].detail
    assert not report.ok


# --- export ---


def test_an_export_needs_a_checkpoint_to_compare_with() -> None:
    report = verify(without(IMPROVEMENT, "log"), attestors=SIGNER, log=EXPORT)
    assert report["export"].result is Result.UNCHECKED
    assert "no checkpoint" in report["export"].detail
    assert report["revocation"].result is Result.UNCHECKED


def test_an_export_that_ends_early_proves_nothing() -> None:
    short = LogExport.read(VECTORS["log_pages"][:1])
    report = verify(IMPROVEMENT, known=KNOWN, log=short)
    assert report["export"].result is Result.UNCHECKED
    assert report["revocation"].result is Result.UNCHECKED
    report = verify(IMPROVEMENT, known=KNOWN, log=short, checkpoint=VECTORS["early_checkpoint"])
    assert report["consistency"].result is Result.UNCHECKED


def test_an_export_of_another_log_fails() -> None:
    pages = changed(VECTORS["log_pages"], (1, "entries", 0, "entry"), "{}")
    report = verify(IMPROVEMENT, known=KNOWN, log=LogExport.read(pages))
    assert "export" in failing(report)
    assert report["revocation"].result is Result.UNCHECKED


def test_an_export_that_does_not_lead_to_both_checkpoints_fails() -> None:
    early = with_root(VECTORS["early_checkpoint"])
    report = verify(IMPROVEMENT, attestors=SIGNER, checkpoint=early, log=EXPORT)
    assert "do not match both checkpoints" in report["consistency"].detail
    assert "do not match the checkpoint of size 1" in report["export"].detail


# --- inclusion ---


def test_an_entry_without_a_checkpoint_fails() -> None:
    log = without(IMPROVEMENT["log"], "checkpoint")
    report = verify({**IMPROVEMENT, "log": log}, known=KNOWN)
    assert failing(report) == {"checkpoint", "inclusion"}
    assert "no checkpoint that the proof could lead to" in report["inclusion"].detail


def test_an_entry_of_another_signer_fails() -> None:
    entry = json.loads(IMPROVEMENT["log"]["entry"])
    document = changed(IMPROVEMENT, ("log", "entry"), json.dumps({**entry, "signer": OTHER}))
    report = verify(document, known=KNOWN)
    assert report["inclusion"].detail == "the entry names another signer"


def test_without_a_valid_signature_inclusion_is_still_checked() -> None:
    report = verify(without(IMPROVEMENT, "signature"), known=KNOWN)
    assert report["inclusion"].result is Result.HOLDS


# --- revocation ---


def test_a_revocation_in_the_log_is_found() -> None:
    document = VECTORS["revoked_later"]
    assert verify(document, known=KNOWN).ok
    report = verify(document, known=KNOWN, log=EXPORT)
    assert failing(report) == {"revocation"}
    assert report["revocation"].detail == "entry 2 of the log revokes it: It leaked."


def test_a_revocation_counts_before_a_checkpoint_covers_it() -> None:
    entry = json.dumps({"attestation": IMPROVEMENT["hash"], "kind": "revoked", "reason": "no"})
    pages = copy.deepcopy(VECTORS["log_pages"])
    pages.append({"entries": [{"index": 5, "entry": entry}]})
    report = verify(IMPROVEMENT, known=KNOWN, log=LogExport.read(pages))
    assert failing(report) == {"revocation"}
    assert report["revocation"].detail == "entry 5 of the log revokes it: no"
    assert not report.ok


def test_a_document_that_says_it_is_revoked_fails() -> None:
    document = changed(IMPROVEMENT, ("revoked",), {"index": 7, "reason": "x"})
    assert failing(verify(document, known=KNOWN)) == {"revocation"}
