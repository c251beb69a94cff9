"""PostgreSQL, the schema in it, and whether our secrets are the ones it was filled with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.keys import state
from app.access.identity.models import APIKey, Fingerprint
from app.access.identity.peppers import Peppers
from app.cli.doctor.result import Finding, ok, problem, skipped, warning
from app.control_plane.attestations import signing_key_history
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.health import PROBE_SECONDS
from app.core.errors import DatabaseUnavailableError, StartupError
from app.core.request.principal import Scope
from app.database.engine import Database, in_one_line, now, where
from app.database.revision import is_sufficient, newest_revision

# The oldest that docs/production.md promises, as PostgreSQL counts.
OLDEST = 140000
# Wallets sign the time: HOKUSAI_SIGNATURE_MAX_AGE and HOKUSAI_SIGNATURE_CLOCK_SKEW
# forgive no more than they say.
SKEW_SECONDS = 1.0
# TypeError and ValueError: an option of the URL that the driver does not know, or cannot use.
FAILURES = (
    DatabaseUnavailableError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    OSError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class PostgreSQLCheck:
    """What is compared with the database.

    url: of SQLAlchemy's kind, as the settings have it.
    started_here: the database is the one that `serve` starts, and may not run now.
    peppers, attestor: None where `serve` makes the first one.
    retired_attestors: addresses.
    """

    url: str
    started_here: bool
    peppers: Peppers | None
    attestor: Attestor | None
    retired_attestors: tuple[str, ...]

    async def run(self) -> AsyncIterator[Finding]:
        """Each finding as it is made. Nothing is written: every transaction is read-only."""
        try:
            database = Database(self.url, connections=1)
        except StartupError as error:
            yield problem("PostgreSQL", str(error))
            return
        try:
            async for finding in self._look(database, where(database.address)):
                yield finding
        finally:
            await database.close()

    async def _look(self, database: Database, address: str) -> AsyncIterator[Finding]:
        try:
            async with asyncio.timeout(PROBE_SECONDS), _reading(database) as session:
                number = int(await session.scalar(text("show server_version_num")) or 0)
                name = await session.scalar(text("show server_version"))
                skew = await _skew(session)
            revision = await database.revision()
        except FAILURES as error:
            yield self._away(address, in_one_line(error))
            return
        yield _version(number, f"{name} at {address}")
        yield _clock(skew)
        yield _schema(revision)
        if not is_sufficient(revision):
            for subject in ("keys", "attestations", "admin key"):
                yield skipped(subject, "not compared with the database before it is migrated")
            return
        for subject, look in (
            ("keys", self._keys),
            ("attestations", self._attestor),
            ("admin key", self._admin_key),
        ):
            try:
                async with _reading(database) as session:
                    yield await look(session)
            except StartupError as error:
                yield problem(subject, str(error))
            except FAILURES as error:
                yield problem(subject, f"cannot be compared: {in_one_line(error)}")

    def _away(self, address: str, why: str) -> Finding:
        if self.started_here:
            return skipped(
                "PostgreSQL", f"the one that `serve` starts does not run now, at {address}"
            )
        return problem(
            "PostgreSQL",
            f"cannot be used at {address}: {why}; start it, or correct HOKUSAI_DATABASE_URL",
        )

    async def _keys(self, session: AsyncSession) -> Finding:
        if self.peppers is None:
            if await session.scalar(select(Fingerprint.version).limit(1)) is None:
                return ok("keys", "none yet")
            return problem(
                "keys",
                "HOKUSAI_KEY_PEPPER is not set, and this database's keys were made with one: set "
                "it to that",
            )
        if not await self.peppers.compare(session):
            return ok("keys", "none yet")
        return ok("keys", "this database's were made with that pepper")

    async def _attestor(self, session: AsyncSession) -> Finding:
        signed = await signing_key_history.known(session)
        if self.attestor is not None:
            await signing_key_history.compare(session, self.attestor, self.retired_attestors)
        elif signed:
            return problem(
                "attestations",
                f"{signed[0].address} signs this database's, and no attestor key can be read: "
                "HOKUSAI_ATTESTOR_KEY has to be that one's",
            )
        return ok("attestations", "no other key signs this database's")

    async def _admin_key(self, session: AsyncSession) -> Finding:
        found = select(APIKey).where(APIKey.scopes.contains([Scope.ADMIN.value]))
        keys = (await session.scalars(found)).all()
        active = sum(state(key, now()) == "active" for key in keys)
        if active:
            return ok("admin key", f"{active} in use")
        make = "`hokusai-gateway keys create --scope read --scope admin …`"
        if keys:
            return problem("admin key", f"all are revoked or expired: make another with {make}")
        return warning(
            "admin key",
            f"none yet: `serve` makes the first and writes it to admin.key in HOKUSAI_DATA_DIR, or "
            f"make one with {make}",
        )


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[AsyncSession]:
    """A transaction in which PostgreSQL itself refuses to write."""
    async with database.transaction() as session:
        await session.execute(text("set transaction read only"))
        yield session


async def _skew(session: AsyncSession) -> float:
    """Seconds by which PostgreSQL's clock is surely ahead of ours; below 0, behind."""
    before = datetime.now(UTC)
    theirs = await session.scalar(text("select clock_timestamp()"))
    after = datetime.now(UTC)
    assert isinstance(theirs, datetime)
    # It was read some time between the two: what lies between proves nothing.
    if theirs > after:
        return (theirs - after).total_seconds()
    return min(0.0, (theirs - before).total_seconds())


def _version(number: int, text_: str) -> Finding:
    if number < OLDEST:
        return problem("PostgreSQL", f"{text_}; the gateway needs {OLDEST // 10000} or later")
    return ok("PostgreSQL", text_)


def _clock(skew: float) -> Finding:
    if abs(skew) > SKEW_SECONDS:
        return warning(
            "clock",
            f"{abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} PostgreSQL's: the messages "
            "that wallets sign are judged by it; let both follow NTP",
        )
    return ok("clock", f"within {SKEW_SECONDS:.0f} s of PostgreSQL's")


def _schema(revision: str | None) -> Finding:
    newest = newest_revision()
    if is_sufficient(revision):
        later = f", of a later release than {newest}" if revision != newest else ""
        return ok("schema", f"revision {revision}{later}")
    found = "none" if revision is None else f"revision {revision} instead of {newest}"
    return problem("schema", f"{found}: run `hokusai-gateway migrate`")
