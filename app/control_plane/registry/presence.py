"""Whether MLflow still has the version that a record is about, and under which name.

MLflow gives names and numbers out again: once a registered model is deleted, its name is free and
its versions begin at 1 again, and a renamed model takes its versions with it. So a record is tied
to its version by the time at which MLflow created it, and is brought up to date where another
version has its name and number, and before it is attested.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.registry.models import Model
from app.control_plane.registry.plan import MODEL_TAG
from app.core.errors import ConflictError
from app.core.request.actor import Actor
from app.database.engine import Database, now
from app.mlflow.client import MLflowClient
from app.mlflow.resources import ModelVersion

# The author of what the gateway notices by itself, in the audit log.
GATEWAY = Actor("gateway", None, None)
# How often records are brought up to date that another request changes at the same time.
ATTEMPTS = 3


def is_current() -> ColumnElement[bool]:
    """SQL: whether a record stands for its version: neither withdrawn nor gone."""
    return Model.withdrawn_at.is_(None) & Model.gone_at.is_(None)


def is_record_of(version: ModelVersion) -> ColumnElement[bool]:
    """SQL: whether a record is that of a version, also under another name."""
    return (
        (Model.mlflow_version == version.version)
        & or_(
            Model.mlflow_created_at == version.created,
            # Recorded by a release that did not store it.
            Model.mlflow_created_at.is_(None) & (Model.mlflow_name == version.name),
        )
        & Model.run_id.is_not_distinct_from(version.run_id)
    )


class Presence:
    """Compares records with MLflow, and follows what happened to their versions there."""

    def __init__(self, database: Database, mlflow: MLflowClient) -> None:
        self._database = database
        self._mlflow = mlflow

    async def require_unrecorded(
        self, workspace: str | None, tenant: str, version: ModelVersion
    ) -> None:
        """Raises ConflictError where a version in MLflow has a record already.

        Records of earlier versions of this name and number are marked as gone, or renamed. Raises
        UpstreamError and DatabaseUnavailableError.
        """
        is_same_place = (Model.mlflow_name == version.name) & (
            Model.mlflow_version == version.version
        )
        # The same version under an earlier name.
        was_created_then = (Model.mlflow_created_at == version.created) & (
            Model.mlflow_version == version.version
        )
        async with self._database.transaction() as session:
            rows = await _current(session, tenant, or_(is_same_place, was_created_then))
        present = await self._bring_up_to_date(workspace, rows)
        for row in rows:
            found = present[row.model_id]
            is_this = found is not None and (found.name, found.version) == (
                version.name,
                version.version,
            )
            if is_this:
                raise ConflictError(
                    f"models:/{version.name}/{version.version} is registered already, as "
                    f"{row.model_id}."
                )

    async def find_version(self, workspace: str | None, model: Model) -> ModelVersion | None:
        """The version that a record is about; None where MLflow no longer has it.

        The record is marked as gone, or renamed, accordingly.
        """
        if model.gone_at is not None:
            return None
        return (await self._bring_up_to_date(workspace, [model]))[model.model_id]

    async def _bring_up_to_date(
        self, workspace: str | None, rows: Sequence[Model]
    ) -> Mapping[str, ModelVersion | None]:
        """The version of each record, and of those whose places they take in MLflow now."""
        present: dict[str, ModelVersion | None] = {}
        for _ in range(ATTEMPTS):
            moved: list[Model] = []
            pending = list(rows)
            while pending:
                row = pending.pop()
                if row.model_id in present:
                    continue
                found = present[row.model_id] = await self._locate(workspace, row)
                if found is None or found.name != row.mlflow_name:
                    moved.append(row)
                if found is not None and found.name != row.mlflow_name:
                    is_its_place = (Model.mlflow_name == found.name) & (
                        Model.mlflow_version == found.version
                    )
                    async with self._database.transaction() as session:
                        pending += await _current(session, row.tenant, is_its_place)
            try:
                if moved:
                    async with self._database.transaction() as session:
                        await _move(session, moved, present)
            except IntegrityError:
                # Another request has recorded a version in one of these places meanwhile.
                present.clear()
                continue
            return present
        raise ConflictError(
            "Models of these names are being registered or renamed by other requests. Send the "
            "request again."
        )

    async def _locate(self, workspace: str | None, model: Model) -> ModelVersion | None:
        """The version of a record under its present name."""
        version = await self._mlflow.model_version(
            workspace, model.mlflow_name, model.mlflow_version
        )
        if version is not None and _is_version_of(model, version):
            return version
        # A copy of a version has the same tags, and a user may have removed them.
        tagged = await self._mlflow.versions_with_tag(workspace, MODEL_TAG, model.model_id)
        found = next((one for one in tagged if _is_version_of(model, one)), None)
        if found is None and model.run_id is not None:
            of_run = await self._mlflow.versions_of_run(workspace, model.run_id)
            found = next((one for one in of_run if _is_version_of(model, one)), None)
        return found


async def _current(
    session: AsyncSession, tenant: str, condition: ColumnElement[bool]
) -> Sequence[Model]:
    query = select(Model).where(Model.tenant == tenant, is_current(), condition)
    return (await session.scalars(query)).all()


async def _move(
    session: AsyncSession, moved: Sequence[Model], present: Mapping[str, ModelVersion | None]
) -> None:
    """Record the new names of versions, and which of them are gone."""
    query = select(Model).where(Model.model_id.in_([row.model_id for row in moved]), is_current())
    rows = (await session.scalars(query.order_by(Model.number).with_for_update())).all()
    # First none of them has a place, so that two that have swapped their names do not collide.
    for row in rows:
        row.gone_at = now()
    await session.flush()
    for row in rows:
        found, old = present[row.model_id], row.mlflow_name
        if found is None:
            audit.record(
                session,
                GATEWAY,
                "model.gone",
                row.model_id,
                row.tenant,
                mlflow_name=old,
                mlflow_version=row.mlflow_version,
            )
        else:
            row.gone_at, row.mlflow_name = None, found.name
            audit.record(
                session,
                GATEWAY,
                "model.renamed",
                row.model_id,
                row.tenant,
                mlflow_name=found.name,
                before=old,
            )
    await session.flush()


def _is_version_of(model: Model, version: ModelVersion) -> bool:
    if (version.version, version.run_id) != (model.mlflow_version, model.run_id):
        return False
    if model.mlflow_created_at is None:
        # Recorded by a release that did not store it.
        return version.tags.get(MODEL_TAG) == model.model_id
    return version.created == model.mlflow_created_at
