"""The attestation as a document that can be verified offline."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.schemas import AttestationView, RevocationView
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.models import LogEntry
from app.control_plane.transparency_log.signer import LogSigner


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The proof that an entry is in the log of `size` entries. checkpoint: the signed note."""

    entry: LogEntry
    size: int
    proof: Sequence[bytes]
    checkpoint: str


async def attestation_view(
    session: AsyncSession, row: Attestation, signer: LogSigner
) -> AttestationView:
    """An attestation with all parts, and a proof that it is in the log.

    Of the log as witnesses have cosigned it last, if the attestation is in that, or as it is now.
    """
    entry = await transparency_log.find_entry(session, row.hash, transparency_log.ATTESTED)
    assert entry is not None
    checkpoint, note = await signer.covering(session, entry.index)
    proof = await transparency_log.inclusion_proof(session, entry.index, checkpoint.size)
    revocation = await find_revocation(session, row.hash)
    inclusion = Inclusion(entry, checkpoint.size, proof, note)
    return document(row, inclusion, revocation)


def document(
    row: Attestation, inclusion: Inclusion, revocation: LogEntry | None = None
) -> AttestationView:
    """An attestation with all parts."""
    # Canonical, so that any parser reads it alike; the members of its data are in their order.
    data = json.loads(row.text)
    return AttestationView.model_validate(
        {
            "hash": row.hash,
            "data": data,
            "text": row.text,
            "kind": row.kind,
            "evidence": row.kind,
            "signature": row.signature,
            "eas": row.eas,
            "log": {
                "index": inclusion.entry.index,
                "tree_size": inclusion.size,
                "proof": [node_hash.hex() for node_hash in inclusion.proof],
                "entry": inclusion.entry.text,
                "checkpoint": inclusion.checkpoint,
            },
            "proof": None if row.proof is None else json.loads(row.proof),
            "delta_one": data["delta_one"],
            "revoked": None if revocation is None else RevocationView.of(revocation),
            # To the second, as it is signed.
            "created_at": row.created_at.replace(microsecond=0),
        }
    )
