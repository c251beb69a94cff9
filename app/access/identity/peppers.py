"""The peppers: secret keys of the HMAC that API keys and tokens are stored as."""

import hashlib
import hmac
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.key_format import digest
from app.access.identity.models import Fingerprint
from app.core.errors import StartupError
from app.core.settings import Settings


class Peppers:
    """The current pepper and the retired ones. Versions are numbered from 1, the oldest."""

    def __init__(self, retired: tuple[bytes, ...], current: bytes) -> None:
        self._all = (*retired, current)
        self.current = current
        self.version = len(self._all)
        self._retired = tuple(reversed(retired))

    @classmethod
    def from_settings(cls, settings: Settings) -> "Peppers":
        """The peppers of the settings. Raises StartupError if HOKUSAI_KEY_PEPPER is not set."""
        if settings.key_pepper is None:
            raise StartupError("HOKUSAI_KEY_PEPPER is not set: keys cannot be hashed without it")
        return cls(
            tuple(pepper.get_secret_value().encode() for pepper in settings.retired_peppers),
            settings.key_pepper.get_secret_value().encode(),
        )

    def digest(self, secret: str) -> bytes:
        """HMAC-SHA256 of a key or token with the current pepper: 32 bytes."""
        return digest(secret, self.current)

    def earlier_digests(self, secret: str) -> list[bytes]:
        """The same with each retired pepper, newest first."""
        return [digest(secret, pepper) for pepper in self._retired]

    async def verify_and_record(self, session: AsyncSession) -> None:
        """Verify the peppers, and store the fingerprints of new ones in the database.

        Raises StartupError as `verify` does.
        """
        for version, fingerprint in self._fingerprints():
            await session.execute(
                insert(Fingerprint)
                .values(version=version, fingerprint=fingerprint)
                .on_conflict_do_nothing()
            )
        await self.verify(session)

    async def verify(self, session: AsyncSession) -> int:
        """Compare the peppers with the fingerprints in the database; return how many it has.

        A pepper without a fingerprint is new, and valid. Raises StartupError for a pepper that
        differs from the one that the database's keys were made with, since all keys would be
        refused without an explanation.
        """
        rows = await session.scalars(select(Fingerprint))
        stored = {row.version: row.fingerprint for row in rows}
        for version, fingerprint in self._fingerprints():
            if not hmac.compare_digest(stored.get(version, fingerprint), fingerprint):
                name = (
                    "HOKUSAI_KEY_PEPPER" if version == self.version else "HOKUSAI_RETIRED_PEPPERS"
                )
                raise StartupError(
                    f"{name}: pepper {version} is not the one that this database's keys were made "
                    "with; to change the pepper, add the old one to HOKUSAI_RETIRED_PEPPERS"
                )
        return len(stored)

    def _fingerprints(self) -> Iterator[tuple[int, bytes]]:
        for version, pepper in enumerate(self._all, start=1):
            yield version, hmac.digest(pepper, b"hokusai pepper fingerprint", hashlib.sha256)
