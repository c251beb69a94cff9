"""The secrets that keys are hashed with, and the check that they are the right ones."""

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
    """The pepper in use and those of earlier versions, counted from 1 with the oldest."""

    def __init__(self, retired: tuple[bytes, ...], current: bytes) -> None:
        self._all = (*retired, current)
        self.current = current
        self.version = len(self._all)
        self._retired = tuple(reversed(retired))

    @classmethod
    def from_settings(cls, settings: Settings) -> "Peppers":
        """Raises StartupError where no pepper was given."""
        if settings.key_pepper is None:
            raise StartupError("HOKUSAI_KEY_PEPPER is not set: keys cannot be hashed without it")
        return cls(
            tuple(pepper.get_secret_value().encode() for pepper in settings.retired_peppers),
            settings.key_pepper.get_secret_value().encode(),
        )

    def digest(self, secret: str) -> bytes:
        """HMAC-SHA256 under the pepper in use: 32 bytes."""
        return digest(secret, self.current)

    def earlier_digests(self, secret: str) -> list[bytes]:
        """The same under each retired pepper, newest first."""
        return [digest(secret, pepper) for pepper in self._retired]

    async def check(self, session: AsyncSession) -> None:
        """Compare with what the database remembers, and let it remember new ones.

        Raises StartupError where a pepper is not the one that the database's keys were made with:
        every key would be refused, and nobody would know why.
        """
        for version, fingerprint in self._fingerprints():
            await session.execute(
                insert(Fingerprint)
                .values(version=version, fingerprint=fingerprint)
                .on_conflict_do_nothing()
            )
        await self.compare(session)

    async def compare(self, session: AsyncSession) -> int:
        """The same without writing: how many of the peppers the database remembers.

        One that it does not know is a new one. Raises StartupError as `check` does.
        """
        known = {one.version: one.fingerprint for one in await session.scalars(select(Fingerprint))}
        for version, fingerprint in self._fingerprints():
            if not hmac.compare_digest(known.get(version, fingerprint), fingerprint):
                name = (
                    "HOKUSAI_KEY_PEPPER" if version == self.version else "HOKUSAI_RETIRED_PEPPERS"
                )
                raise StartupError(
                    f"{name}: pepper {version} is not the one that this database's keys were made "
                    "with; to change the pepper, add the old one to HOKUSAI_RETIRED_PEPPERS"
                )
        return len(known)

    def _fingerprints(self) -> Iterator[tuple[int, bytes]]:
        for version, pepper in enumerate(self._all, start=1):
            yield version, hmac.digest(pepper, b"hokusai pepper fingerprint", hashlib.sha256)
