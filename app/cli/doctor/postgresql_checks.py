"""Checks of PostgreSQL: version, clock, schema, and whether the configured secrets fit its data."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.keys import state
from app.access.identity.models import APIKey, Fingerprint
from app.access.identity.peppers import Peppers
from app.cli.doctor.result import CheckResult, ok, problem, skipped, warning
from app.control_plane.attestations import signing_key_history
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.health import PROBE_SECONDS
from app.core.errors import StartupError
from app.core.request.principal import Scope
from app.database.engine import (
    DISK_FULL,
    FAILURES,
    NOT_PERMITTED,
    READ_ONLY,
    UNUSABLE_URL,
    Database,
    display_address,
    driver_message,
    now,
    sqlstate,
)
from app.database.pooler import PoolerError
from app.database.privileges import RolePrivileges, missing_privilege
from app.database.revision import is_sufficient, newest_revision

# The oldest supported version (docs/production.md), as `server_version_num` states it.
OLDEST = 140000
# Wallets sign the current time, and the gateway accepts only the differences of
# HOKUSAI_SIGNATURE_MAX_AGE and HOKUSAI_SIGNATURE_CLOCK_SKEW.
SKEW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PostgreSQLCheck:
    """The database to check, and the secrets that its data must fit.

    url, direct_url: as in the settings, with SQLAlchemy's driver name.
    started_here: whether it is the database that `serve` starts, so that it may not run now.
    peppers, attestor: None where `serve` will create the first one.
    retired_attestors: their addresses.
    """

    url: str
    direct_url: str | None
    started_here: bool
    peppers: Peppers | None
    attestor: Attestor | None
    retired_attestors: tuple[str, ...]

    async def run(self) -> AsyncIterator[CheckResult]:
        """Run the checks in read-only transactions; yield each result when it is known."""
        try:
            database = Database(self.url, connections=1, direct_url=self.direct_url)
        except StartupError as error:
            yield problem("PostgreSQL", str(error))
            return
        try:
            async for result in self._check(database, display_address(database.address)):
                yield result
        finally:
            await database.close()

    async def _check(self, database: Database, address: str) -> AsyncIterator[CheckResult]:
        try:
            async with asyncio.timeout(PROBE_SECONDS), _read_only(database) as session:
                number = int(await session.scalar(text("show server_version_num")) or 0)
                name = await session.scalar(text("show server_version"))
                skew = await _skew(session)
                role = await RolePrivileges.read(session)
                may_create = bool(
                    await session.scalar(text("select has_schema_privilege('public', 'CREATE')"))
                )
            revision = await database.revision()
        except (*FAILURES, *UNUSABLE_URL) as error:
            yield self._unreachable(address, driver_message(error))
            return
        yield _version(number, f"{name} at {address}")
        yield _clock(skew)
        if database.is_pooled:
            yield await _pooler(database)
        yield _schema(revision, role.name, may_create=may_create)
        if not is_sufficient(revision):
            for subject in ("role", "writes", "keys", "attestations", "admin key"):
                yield skipped(subject, "cannot be checked before the database is migrated")
            return
        yield _role(role)
        yield await _writes(database)
        for subject, check in (
            ("keys", self._keys),
            ("attestations", self._attestor),
            ("admin key", self._admin_key),
        ):
            try:
                async with _read_only(database) as session:
                    yield await check(session)
            except StartupError as error:
                yield problem(subject, str(error))
            except FAILURES as error:
                yield problem(subject, f"cannot be checked: {driver_message(error)}")

    def _unreachable(self, address: str, reason: str) -> CheckResult:
        if self.started_here:
            return skipped("PostgreSQL", f"not running at {address}: it runs while `serve` runs")
        return problem(
            "PostgreSQL",
            f"cannot be used at {address}: {reason}; start it, or correct HOKUSAI_DATABASE_URL",
        )

    async def _keys(self, session: AsyncSession) -> CheckResult:
        if self.peppers is None:
            if await session.scalar(select(Fingerprint.version).limit(1)) is None:
                return ok("keys", "none yet")
            return problem(
                "keys",
                "HOKUSAI_KEY_PEPPER is not set, but the keys in this database were hashed with a "
                "pepper: set it to that pepper",
            )
        if not await self.peppers.verify(session):
            return ok("keys", "none yet")
        return ok("keys", "hashed with the configured pepper")

    async def _attestor(self, session: AsyncSession) -> CheckResult:
        signed = await signing_key_history.known_attestors(session)
        if self.attestor is not None:
            await signing_key_history.require_allowed(
                session, self.attestor, self.retired_attestors
            )
        elif signed:
            return problem(
                "attestations",
                f"{signed[0].address} signed those in this database, but no attestor key is "
                "configured: set HOKUSAI_ATTESTOR_KEY to the key of this address",
            )
        return ok("attestations", "signed by the configured keys only")

    async def _admin_key(self, session: AsyncSession) -> CheckResult:
        found = select(APIKey).where(APIKey.scopes.contains([Scope.ADMIN.value]))
        keys = (await session.scalars(found)).all()
        active = sum(state(key, now()) == "active" for key in keys)
        if active:
            return ok("admin key", f"{active} valid")
        command = "`hokusai-gateway keys create --scope read --scope admin …`"
        if keys:
            return problem("admin key", f"all are revoked or expired: create one with {command}")
        return warning(
            "admin key",
            "none yet: `serve` creates one and writes it to admin.key in HOKUSAI_DATA_DIR, or "
            f"create one with {command}",
        )


@asynccontextmanager
async def _read_only(database: Database) -> AsyncIterator[AsyncSession]:
    """A transaction in which PostgreSQL refuses to write."""
    async with database.transaction() as session:
        await session.execute(text("set transaction read only"))
        yield session


async def _skew(session: AsyncSession) -> float:
    """Seconds by which PostgreSQL's clock is at least ahead of this machine's; negative: behind."""
    before = datetime.now(UTC)
    theirs = await session.scalar(text("select clock_timestamp()"))
    after = datetime.now(UTC)
    assert isinstance(theirs, datetime)
    # It was read at some time between `before` and `after`, so a value between them is no skew.
    if theirs > after:
        return (theirs - after).total_seconds()
    return min(0.0, (theirs - before).total_seconds())


def _version(number: int, text_: str) -> CheckResult:
    if number < OLDEST:
        return problem("PostgreSQL", f"{text_}: the gateway needs {OLDEST // 10000} or later")
    return ok("PostgreSQL", text_)


def _clock(skew: float) -> CheckResult:
    if abs(skew) > SKEW_SECONDS:
        return warning(
            "clock",
            f"{abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} PostgreSQL's; this clock "
            "decides whether a wallet's message is recent: synchronise both with NTP",
        )
    return ok("clock", f"within {SKEW_SECONDS:.0f} s of PostgreSQL's")


async def _pooler(database: Database) -> CheckResult:
    found = "a connection pooler is between the gateway and PostgreSQL"
    try:
        connection = await database.connect()
    except PoolerError:
        return warning(
            "pooler",
            f"{found}: it works, but keys are not cached and each request looks its own up; set "
            "HOKUSAI_DATABASE_DIRECT_URL to the server itself",
        )
    except (*FAILURES, *UNUSABLE_URL) as error:
        return problem("pooler", f"{found}; HOKUSAI_DATABASE_DIRECT_URL: {driver_message(error)}")
    connection.terminate()
    return ok("pooler", f"{found}; revocations arrive over HOKUSAI_DATABASE_DIRECT_URL")


def _role(role: RolePrivileges) -> CheckResult:
    if not (role.superuser or role.owner or role.changes):
        return ok("role", f"{role.name} can add to the audit log and the attestations only")
    reason = "owns the tables" if role.owner else f"may change {role.changes}"
    return warning(
        "role",
        f"{role.name} {'is a superuser' if role.superuser else reason}, so it could change the "
        "audit log and the attestations: serve with another role, and set "
        "HOKUSAI_MIGRATION_DATABASE_URL to this one for `hokusai-gateway migrate`",
    )


async def _writes(database: Database) -> CheckResult:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await database.check_writable()
    except FAILURES as error:
        remedy = {
            READ_ONLY: "connect to the primary, or end its read-only mode",
            DISK_FULL: "free space on its disk",
            NOT_PERMITTED: "run `hokusai-gateway migrate`, which grants it",
        }.get(sqlstate(error), "see PostgreSQL's log")
        return problem("writes", f"refused: {driver_message(error)}; {remedy}")
    return ok("writes", "accepted")


def _schema(revision: str | None, role: str, *, may_create: bool) -> CheckResult:
    newest = newest_revision()
    if is_sufficient(revision):
        later = f", of a later release than {newest}" if revision != newest else ""
        return ok("schema", f"revision {revision}{later}")
    found = "missing" if revision is None else f"revision {revision} instead of {newest}"
    remedy = "run `hokusai-gateway migrate`"
    if not may_create:
        remedy = f"{missing_privilege(role)}; then {remedy}"
    return problem("schema", f"{found}: {remedy}")
