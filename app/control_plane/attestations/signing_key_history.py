"""The attestor keys that have signed for a database: the one in use, and those before it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import KnownAttestor, KnownEnvelopeKey
from app.control_plane.attestations.signing_key import Attestor
from app.core.errors import StartupError


async def known_attestors(session: AsyncSession) -> Sequence[KnownAttestor]:
    """All attestors that have signed for this database, the newest first."""
    query = select(KnownAttestor).order_by(KnownAttestor.first_at.desc())
    return (await session.scalars(query)).all()


async def known_envelope_keys(session: AsyncSession) -> Sequence[str]:
    """All public keys, in PEM, that have signed envelopes for this database, the newest first."""
    query = select(KnownEnvelopeKey.public_key).order_by(KnownEnvelopeKey.first_at.desc())
    return (await session.scalars(query)).all()


async def register_attestor(
    session: AsyncSession, attestor: Attestor, retired: Sequence[str]
) -> bool:
    """Add an attestor to the database, if it may sign for it.

    retired: addresses of former attestors. Returns whether the attestor, or its key of envelopes,
    is new; it is known only once the transaction has been committed. Raises StartupError as
    `require_allowed` does.
    """
    is_new = await session.scalar(
        insert(KnownAttestor)
        .values(address=attestor.address, checkpoint_key=str(attestor.checkpoint_signer.verifier))
        .on_conflict_do_nothing()
        .returning(KnownAttestor.address)
    )
    await require_allowed(session, attestor, retired)
    # A database from before there were envelopes has the attestor alone.
    is_new_key = await session.scalar(
        insert(KnownEnvelopeKey)
        .values(public_key=attestor.envelope_key.pem, attestor=attestor.address)
        .on_conflict_do_nothing()
        .returning(KnownEnvelopeKey.public_key)
    )
    return is_new is not None or is_new_key is not None


async def require_allowed(
    session: AsyncSession, attestor: Attestor, retired: Sequence[str]
) -> None:
    """Compare an attestor with those that the database knows, without writing.

    Raises StartupError where another key has signed for this database and is not retired: a
    replica with a key of its own would issue attestations that verifiers do not trust.
    """
    allowed = {attestor.address.lower(), *(address.lower() for address in retired)}
    for known in await known_attestors(session):
        if known.address.lower() not in allowed:
            raise StartupError(
                f"HOKUSAI_ATTESTOR_KEY is that of {attestor.address}, but {known.address} signed "
                "this database's attestations; to change the key, add the old address to "
                "HOKUSAI_RETIRED_ATTESTORS"
            )
        if known.address == attestor.address and known.checkpoint_key != str(
            attestor.checkpoint_signer.verifier
        ):
            raise StartupError(
                f"HOKUSAI_LOG_ORIGIN: this database's log is {known.checkpoint_key.split('+')[0]}"
            )
