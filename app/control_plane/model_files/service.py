"""What is known of a registered model's files."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import case, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.model_files.file_list import FileList, as_jsonb, as_text, parse_list
from app.control_plane.model_files.hashing import ModelFile
from app.control_plane.model_files.models import ModelFilesRecord
from app.control_plane.registry.models import Model
from app.control_plane.registry.plan import Plan
from app.control_plane.registry.schemas import FilesState
from app.core.errors import FilesDifferError
from app.database.engine import now

_FACTS = (
    Model.files,
    ModelFilesRecord.oms_root,
    ModelFilesRecord.weights,
    ModelFilesRecord.list_sha256,
    ModelFilesRecord.count,
    ModelFilesRecord.total_bytes,
    ModelFilesRecord.witnessed_at,
    ModelFilesRecord.reason,
)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What is known of a model's files.

    oms_root: the digest of OpenSSF Model Signing. weights: the platform's `sha256-merkle-v1`; None
    where it leaves out every file. list_sha256: of the list of files, which binds their paths. All
    are None, and the numbers 0, where no file is known.
    witnessed_at: when the gateway had read them. reason: why they differ or could not be read.
    files: sorted by path; `find_summary` leaves them out.
    """

    state: FilesState
    oms_root: str | None
    weights: str | None
    list_sha256: str | None
    count: int
    total_bytes: int
    witnessed_at: datetime | None
    reason: str | None
    files: Sequence[ModelFile] = field(default=(), repr=False)

    def attested(self) -> dict[str, Any] | None:
        """The member `files` of a model in an attestation's data; None where none are known."""
        if self.state not in ("witnessed", "claimed"):
            return None
        return {
            "evidence": self.state,
            "sha256": self.oms_root,
            "sha256_merkle_v1": self.weights,
            "list_sha256": self.list_sha256,
            "count": self.count,
            "bytes": self.total_bytes,
        }


async def find_files(session: AsyncSession, model_id: str) -> ModelFiles | None:
    """The files of a model: those that were read, or else those listed. None for no model."""
    known = case(
        (ModelFilesRecord.witnessed_at.is_(None), as_text(ModelFilesRecord.listed)),
        else_=as_text(ModelFilesRecord.read),
    )
    query = select(*_FACTS, known.label("known")).join_from(Model, ModelFilesRecord, isouter=True)
    row = (await session.execute(query.where(Model.model_id == model_id))).one_or_none()
    if row is None:
        return None
    return _model_files(row, await parse_list(row.known))


async def find_summary(session: AsyncSession, model_id: str) -> ModelFiles | None:
    """The same without the files themselves, of which there may be thousands."""
    query = select(*_FACTS).join_from(Model, ModelFilesRecord, isouter=True)
    row = (await session.execute(query.where(Model.model_id == model_id))).one_or_none()
    return None if row is None else _model_files(row)


def _model_files(row: Any, files: Sequence[ModelFile] = ()) -> ModelFiles:
    facts = {column.key: getattr(row, column.key) for column in _FACTS if column is not Model.files}
    facts |= {name: facts[name] or 0 for name in ("count", "total_bytes")}
    return ModelFiles(state=row.files, files=files, **facts)


def require_same_files(model_id: str, files: ModelFiles | None) -> None:
    """Raises FilesDifferError where a model's files are not those that its registration lists."""
    if files is not None and files.state == "differs":
        raise FilesDifferError(
            f"The files of {model_id} in MLflow are not those that its registration lists: "
            f"{files.reason} Nothing is attested of it. Withdraw the registration, and register "
            "the model anew with the files that it has."
        )


async def begin(session: AsyncSession, plan: Plan) -> None:
    """Record the files that a registration lists, and that they are to be read in MLflow."""
    values: dict[str, Any] = {"model_id": plan.model_id, "tenant": plan.tenant, "due_at": now()}
    if plan.listed_files is not None:
        files = [ModelFile(**file.model_dump()) for file in plan.listed_files]
        found = await asyncio.to_thread(FileList.of, files)
        values |= {"listed": as_jsonb(found.text), **found.facts}
    # The model comes first, which the record refers to.
    await session.flush()
    await session.execute(insert(ModelFilesRecord).values(**values, failures=0, seconds=0.0))
