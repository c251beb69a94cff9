"""Signing the state of the transparency log, once the key is known to be the log's."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.transparency_log import service
from app.control_plane.transparency_log.checkpoint import (
    Checkpoint,
    CheckpointSigner,
    CheckpointVerifier,
)
from app.core.errors import StartupError, UnavailableError

# Registers the key with a database: whether it is new there. Raises StartupError where another key
# signs for that database.
Register = Callable[[AsyncSession], Awaitable[bool]]


class LogSigner:
    """Signs the checkpoints of one database's log; one for the process."""

    def __init__(self, key: CheckpointSigner, register: Register) -> None:
        self._key = key
        self._register = register
        self._is_registered = False

    @property
    def verifier(self) -> CheckpointVerifier:
        """The public key."""
        return self._key.verifier

    async def ensure_registered(self, session: AsyncSession) -> None:
        """Register the key with the database, before anything is signed.

        Later calls do nothing once the database has the key. Raises UnavailableError where
        another key signs for it.
        """
        if self._is_registered:
            return
        try:
            is_new = await self._register(session)
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
        size = await service.size(session)
        root = await service.root(session, size)
        return Checkpoint(self.verifier.name, size, root)

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint of this log."""
        return self._key.sign(checkpoint.size, checkpoint.root)
