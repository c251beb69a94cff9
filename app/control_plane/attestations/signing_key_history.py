"""Which keys sign for a database: the one in use, and those before it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import KnownAttestor
from app.control_plane.attestations.signing_key import Attestor
from app.core.errors import StartupError


async def known(session: AsyncSession) -> Sequence[KnownAttestor]:
    """All that ever signed for this database, the newest first."""
    query = select(KnownAttestor).order_by(KnownAttestor.first_at.desc())
    return (await session.scalars(query)).all()


async def check(session: AsyncSession, attestor: Attestor, retired: Sequence[str]) -> bool:
    """Compare with what the database remembers, and let it remember a new attestor.

    Returns whether it is new: what was written holds only once the transaction has ended.
    Raises StartupError where another key signed before and was not retired: a replica with a key
    of its own would make attestations that nobody expects.
    """
    made = await session.scalar(
        insert(KnownAttestor)
        .values(address=attestor.address, checkpoint_key=str(attestor.checkpoints.verifier))
        .on_conflict_do_nothing()
        .returning(KnownAttestor.address)
    )
    await compare(session, attestor, retired)
    return made is not None


async def compare(session: AsyncSession, attestor: Attestor, retired: Sequence[str]) -> None:
    """The same without writing: an attestor that the database does not know is a new one.

    Raises StartupError as `check` does.
    """
    allowed = {attestor.address.lower(), *(address.lower() for address in retired)}
    for other in await known(session):
        if other.address.lower() not in allowed:
            raise StartupError(
                f"HOKUSAI_ATTESTOR_KEY is that of {attestor.address}, but {other.address} signed "
                "this database's attestations; to change the key, add the old address to "
                "HOKUSAI_RETIRED_ATTESTORS"
            )
        if other.address == attestor.address and other.checkpoint_key != str(
            attestor.checkpoints.verifier
        ):
            raise StartupError(
                f"HOKUSAI_LOG_ORIGIN: this database's log is {other.checkpoint_key.split('+')[0]}"
            )
