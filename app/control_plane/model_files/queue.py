"""Which models' files are to be read: the leases, the progress and the outcome in the database.

Any number of gateways share the work. A model is read by the one that has its lease; once that
expires, another one goes on with the files that have not been read yet.
"""

import asyncio
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.access.audit import service as audit
from app.control_plane.model_files.file_digest import ReadFile
from app.control_plane.model_files.file_list import (
    FileList,
    as_jsonb,
    as_text,
    parse_list,
    to_text,
)
from app.control_plane.model_files.hashing import ModelFile
from app.control_plane.model_files.limits import LIMITS, LimitName, ReadingLimits
from app.control_plane.model_files.models import MAX_VERSIONS, ModelFilesRecord
from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import GATEWAY
from app.core import json_in_pieces
from app.database.engine import Database, now

# Differing files that a reason names.
MAX_NAMED = 5

# Models of a release that did not read files, and those that it registers during an upgrade.
_ADD_MISSING = text(
    "INSERT INTO model_files (model_id, tenant, due_at, failures, seconds) "
    "SELECT model_id, tenant, now(), 0, 0 FROM models "
    "WHERE NOT EXISTS (SELECT FROM model_files WHERE model_files.model_id = models.model_id) "
    "LIMIT 2000 ON CONFLICT DO NOTHING"
)


async def waiting(session: AsyncSession) -> int:
    """How many models' files are still to be read, including those that are being read."""
    query = select(func.count()).where(ModelFilesRecord.due_at.is_not(None))
    return await session.scalar(query) or 0


class LeaseLostError(Exception):
    """Another gateway reads the files now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A model whose files this gateway reads.

    read: the files that have been read before. failures, seconds: as in `ModelFilesRecord`.
    """

    model: Model
    holder: str
    read: Sequence[ReadFile]
    failures: int
    seconds: float


async def add_again(session: AsyncSession, model_ids: Sequence[str], **more: None) -> None:
    """Have the files of models read whose reading has ended. more: further columns to empty."""
    await session.execute(
        update(ModelFilesRecord)
        .where(ModelFilesRecord.model_id.in_(model_ids))
        .values(due_at=now(), failures=0, reason=None, **more)
    )
    await session.execute(
        update(Model)
        .where(Model.model_id.in_(model_ids), Model.files == "failed")
        .values(files="pending")
    )


class ReadingQueue:
    """The models that wait. lease: in seconds."""

    def __init__(self, database: Database, lease: float) -> None:
        self._database = database
        self.lease = lease

    async def add_missing(self) -> None:
        """Add the models that have no record of their files yet."""
        added = 1
        while added > 0:
            async with self._database.transaction() as session:
                result = await session.execute(_ADD_MISSING)
            assert isinstance(result, CursorResult)
            added = result.rowcount

    async def add_limited(self, limits: ReadingLimits) -> None:
        """Add the models again whose reading ended at a limit that is higher now.

        What the limit was stays, so that no gateway with the lower limit takes them up.
        """
        query = select(ModelFilesRecord.model_id).where(
            ModelFilesRecord.due_at.is_(None), _is_raised(limits)
        )
        model_ids: Sequence[str] = [""]
        while model_ids:
            async with self._database.transaction() as session:
                model_ids = (await session.scalars(query.limit(1000))).all()
                await add_again(session, model_ids)

    async def take(
        self, limits: ReadingLimits, without: Collection[str], after: str
    ) -> Reading | None:
        """The next model to read; None if there is none.

        Tenants take turns, so that many models of one do not keep the others waiting.

        limits: models whose reading has ended at one of these or a higher one are left out.
        without: tenants to leave out. after: the tenant whose turn it was last.
        """
        is_due = (
            ModelFilesRecord.due_at <= now(),
            ModelFilesRecord.tenant.not_in(without),
            or_(ModelFilesRecord.limited_by.is_(None), _is_raised(limits)),
        )
        lists = (ModelFilesRecord.listed, ModelFilesRecord.read)
        query = (
            select(ModelFilesRecord, Model, as_text(ModelFilesRecord.read))
            .options(*(defer(column) for column in lists))
            .join(Model, Model.model_id == ModelFilesRecord.model_id)
            .order_by(ModelFilesRecord.tenant, ModelFilesRecord.due_at)
            .limit(1)
            .with_for_update(skip_locked=True, of=ModelFilesRecord)
        )
        async with self._database.transaction() as session:
            later = query.where(*is_due, ModelFilesRecord.tenant > after)
            row = (await session.execute(later)).one_or_none()
            if row is None:
                earlier = query.where(*is_due, ModelFilesRecord.tenant <= after)
                row = (await session.execute(earlier)).one_or_none()
            if row is None:
                return None
            record, model, read = row
            record.holder, record.due_at = secrets.token_hex(8), self._lease_end()
            failures, seconds = record.failures, record.seconds
        files = await asyncio.to_thread(_parse_versions, read)
        return Reading(model, record.holder, files, failures, seconds)

    async def save(
        self, reading: Reading, files: Sequence[ReadFile] | None, seconds: float
    ) -> None:
        """Renew the lease, and keep what has been read.

        files: all that have been read; None where there are no more than before. seconds: for how
        long reading has gone on. Raises LeaseLostError.
        """
        values: dict[str, Any] = {"due_at": self._lease_end(), "seconds": seconds}
        if files is not None:
            values |= {"read": await _with_versions(files), "failures": 0}
        async with self._database.transaction() as session:
            await _change(session, reading, values)

    async def postpone(
        self,
        reading: Reading,
        files: Sequence[ReadFile],
        seconds: float,
        until: datetime,
        failures: int,
    ) -> None:
        """Give the lease back, so that a gateway goes on later. Raises LeaseLostError."""
        values = {
            "read": await _with_versions(files),
            "due_at": until,
            "holder": None,
            "failures": failures,
            "seconds": seconds,
        }
        async with self._database.transaction() as session:
            await _change(session, reading, values)

    async def end(
        self, reading: Reading, reason: str, limit: LimitName | None, limit_was: float | None
    ) -> None:
        """Record that the files cannot be read. Raises LeaseLostError.

        limit, limit_was: the limit that is too low for them, if that is why, and its value.
        """
        values: dict[str, Any] = {
            "due_at": None,
            "holder": None,
            "reason": reason,
            "limited_by": limit,
            "limit_was": limit_was,
        }
        if limit != "seconds":
            values["read"] = None
        async with self._database.transaction() as session:
            await _change(session, reading, values)
            await session.execute(
                update(Model)
                .where(Model.model_id == reading.model.model_id, Model.files == "pending")
                .values(files="failed")
            )

    async def finish(self, reading: Reading, read: Sequence[ReadFile]) -> str | None:
        """Record all files of a model as they were read, and the ETags that they had.

        Returns how they differ from those that its registration lists, if they do. Raises
        LeaseLostError.
        """
        query = select(as_text(ModelFilesRecord.listed)).where(
            ModelFilesRecord.model_id == reading.model.model_id
        )
        async with self._database.transaction() as session:
            listed = await session.scalar(query)
        before = None if listed is None else await parse_list(listed)
        files = [one.file for one in read]
        found, reason = await asyncio.to_thread(_outcome, before, files)
        async with self._database.transaction() as session:
            values = {
                "due_at": None,
                "holder": None,
                "witnessed_at": now(),
                "read": as_jsonb(found.text),
                "versions": _versions(read),
                "reason": reason,
                "limited_by": None,
                "limit_was": None,
                **found.facts,
            }
            await _change(session, reading, values)
            model = await session.get_one(Model, reading.model.model_id)
            model.files = "witnessed" if reason is None else "differs"
            if reason is not None:
                audit.record(
                    session,
                    GATEWAY,
                    "model.files_differ",
                    model.model_id,
                    model.tenant,
                    reason=reason[:500],
                )
        return reason

    def _lease_end(self) -> datetime:
        return now() + timedelta(seconds=self.lease)


def _is_raised(limits: ReadingLimits) -> ColumnElement[bool]:
    """SQL: whether the limit that has ended a reading is higher now."""
    return or_(
        *(
            and_(
                ModelFilesRecord.limited_by == name,
                ModelFilesRecord.limit_was < getattr(limits, name),
            )
            for name in LIMITS
        )
    )


async def _change(session: AsyncSession, reading: Reading, values: dict[str, Any]) -> None:
    """Change the record of a model while this gateway has its lease. Raises LeaseLostError."""
    changed = await session.execute(
        update(ModelFilesRecord)
        .where(
            ModelFilesRecord.model_id == reading.model.model_id,
            ModelFilesRecord.holder == reading.holder,
        )
        .values(**values),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(changed, CursorResult)
    if changed.rowcount == 0:
        raise LeaseLostError


def differences(listed: Sequence[ModelFile], read: Sequence[ModelFile]) -> str | None:
    """How two lists of files differ, in words; None where they do not."""
    before, after = ({file.path: file for file in files} for files in (listed, read))
    found = [
        *(f"{path!r} is not in MLflow" for path in sorted(before.keys() - after.keys())),
        *(f"{path!r} is not listed" for path in sorted(after.keys() - before.keys())),
        *(
            f"{path!r} has {_described(after[path])}, and is listed with {_described(before[path])}"
            for path in sorted(before.keys() & after.keys())
            if before[path] != after[path]
        ),
    ]
    if not found:
        return None
    more = f"; and {len(found) - MAX_NAMED:,} more" if len(found) > MAX_NAMED else ""
    return "; ".join(found[:MAX_NAMED]) + more + "."


def _described(file: ModelFile) -> str:
    return f"{file.size:,} bytes and SHA-256 {file.sha256[:16]}…"


def _outcome(
    listed: Sequence[ModelFile] | None, read: Sequence[ModelFile]
) -> tuple[FileList, str | None]:
    """What is recorded of the files that were read, and how they differ from those listed."""
    return FileList.of(read), None if listed is None else differences(listed, read)


def _versions(read: Sequence[ReadFile]) -> dict[str, str] | None:
    """The ETags of files by path; None where one has none, or there are too many."""
    if len(read) > MAX_VERSIONS:
        return None
    found = {file.path: version for file, version in read if version is not None}
    return found if len(found) == len(read) else None


async def _with_versions(files: Sequence[ReadFile]) -> ColumnElement[Any]:
    """Files that were read, with their ETags, as the value of the column `read`."""
    entries = ({**file._asdict(), "version": version} for file, version in files)
    return as_jsonb(await asyncio.to_thread(to_text, entries))


def _parse_versions(text: str | None) -> list[ReadFile]:
    return [] if text is None else json_in_pieces.loads(text, lambda one: _read_file(**one))


def _read_file(path: str, size: int, sha256: str, version: str | None = None) -> ReadFile:
    return ReadFile(ModelFile(path, size, sha256), version)
