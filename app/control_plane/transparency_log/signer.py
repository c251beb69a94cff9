"""Signing the state of the transparency log, once the key is known to be the log's."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.transparency_log import service
from app.control_plane.transparency_log.checkpoint import (
    Checkpoint,
    CheckpointSigner,
    CheckpointVerifier,
)
from app.control_plane.transparency_log.cosignatures import Cosignatures, CosignedTree
from app.core.errors import StartupError, UnavailableError
from app.database.engine import now

# How far the published checkpoint may be behind the log because witnesses are silent.
MAX_BEHIND = timedelta(minutes=1)

# Registers the key with a database: whether it is new there. Raises StartupError where another key
# signs for that database.
Register = Callable[[AsyncSession], Awaitable[bool]]


class LogSigner:
    """Signs the checkpoints of one database's log; one for the process.

    cosignatures: of the log's witnesses, which are added to the checkpoints that they are of.
    """

    def __init__(
        self,
        key: CheckpointSigner,
        register: Register,
        cosignatures: Cosignatures | None = None,
    ) -> None:
        self._key = key
        self._register = register
        self.cosignatures = cosignatures or Cosignatures(())
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

    async def cosigned(self, session: AsyncSession) -> tuple[Checkpoint, str] | None:
        """The newest checkpoint that witnesses have cosigned, and its note; None without one."""
        tree = await self.cosignatures.newest(session)
        return None if tree is None else self._cosigned(tree)

    async def published(self, session: AsyncSession) -> tuple[Checkpoint, str]:
        """The checkpoint for monitors, and its note: the newest one that witnesses have cosigned.

        It is the present one where there are no witnesses, and where they have been silent for
        `MAX_BEHIND` while the log grew. Raises UnavailableError.
        """
        present = await self.checkpoint(session)
        tree = await self.cosignatures.newest(session)
        if tree is not None and (present.size == tree.size or tree.at > now() - MAX_BEHIND):
            return self._cosigned(tree)
        return present, self.sign(present)

    async def covering(self, session: AsyncSession, index: int) -> tuple[Checkpoint, str]:
        """The checkpoint for a proof about an entry, and its note: a cosigned one, if it has it.

        Raises UnavailableError.
        """
        tree = await self.cosignatures.newest(session)
        if tree is not None and tree.size > index:
            return self._cosigned(tree)
        present = await self.checkpoint(session)
        return present, self.sign(present)

    def _cosigned(self, tree: CosignedTree) -> tuple[Checkpoint, str]:
        checkpoint = Checkpoint(self.verifier.name, tree.size, tree.root)
        return checkpoint, self.sign(checkpoint) + tree.lines

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint of this log."""
        return self._key.sign(checkpoint.size, checkpoint.root)
