"""The description of the attestor at /.well-known: keys and types, as a verifier needs them."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations import eas, eip712
from app.control_plane.attestations.schemas import AttestorView
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.signing_key_history import known_attestors, known_envelope_keys
from app.control_plane.proofs.circuits import Circuits
from app.control_plane.transparency_log.signer import LogSigner


async def attestor_view(
    session: AsyncSession, signer: LogSigner, attestor: Attestor, circuits: Circuits
) -> AttestorView:
    """The attestors of this database, what they sign, the keys of the log, and the circuits."""
    await signer.ensure_registered(session)
    known = await known_attestors(session)
    chain, log_key = attestor.chain, signer.verifier
    return AttestorView(
        signer=attestor.address,
        signers=[one.address for one in known],
        domain=attestor.domain,
        types=eip712.ATTESTATION_TYPES,
        primaryType=eip712.ATTESTATION_TYPE,
        eas={
            "schema": eas.SCHEMA,
            "schema_uid": eas.schema_uid(),
            "domain": eip712.domain(eas.NAME, chain.eas_version, chain.id, chain.eas_contract),
        },
        log={
            "origin": log_key.name,
            "key": str(log_key),
            "keys": [one.checkpoint_key for one in known],
            "checkpoint": "/api/attestations/log",
        },
        envelopes={
            "key": attestor.envelope_key.pem,
            "keys": list(await known_envelope_keys(session)),
        },
        circuits=[one.circuit for one in await circuits.all()],
    )
