"""Signing the state of the transparency log, once the attestor's key is known to be the log's."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations import transparency_log
from app.control_plane.attestations.checkpoint import Checkpoint
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.signing_key_history import register_attestor
from app.core.errors import StartupError, UnavailableError


class LogSigner:
    """The attestor, as the signer of one database's log; one for the process.

    retired: addresses of former attestors of the database.
    """

    def __init__(self, attestor: Attestor, retired: Sequence[str] = ()) -> None:
        self.attestor = attestor
        self._retired = retired
        self._is_registered = False

    async def ensure_registered(self, session: AsyncSession) -> None:
        """Register the attestor with the database, before it signs anything.

        Later calls do nothing once the database has the key. Raises UnavailableError where
        another key signs for it.
        """
        if self._is_registered:
            return
        try:
            is_new = await register_attestor(session, self.attestor, self._retired)
        except StartupError as error:
            raise UnavailableError(
                "This gateway's attestor key is not that of the log: its operator has to set the "
                "right one."
            ) from error
        # A new key is only in the database if this transaction is committed.
        self._is_registered = not is_new

    async def checkpoint(self, session: AsyncSession) -> Checkpoint:
        """The present state of the log, unsigned. Raises UnavailableError."""
        await self.ensure_registered(session)
        size = await transparency_log.size(session)
        root = await transparency_log.root(session, size)
        return Checkpoint(self.attestor.checkpoint_signer.verifier.name, size, root)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint of this log."""
        return self.attestor.checkpoint_signer.sign(checkpoint.size, checkpoint.root)
