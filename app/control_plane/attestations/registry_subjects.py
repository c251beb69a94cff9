"""The models of the registry as subjects of attestations."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.service import find_shares
from app.control_plane.model_files.service import find_summary
from app.control_plane.registry import service
from app.control_plane.registry.metric_source import MetricSource
from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import is_current, is_record_of
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.core.request.principal import Principal
from app.mlflow.resources import ModelVersion

# How many models of one run are looked at: enough to say that there are several.
MAX_NAMED = 5


async def find_by_id(session: AsyncSession, model_id: str, principal: Principal) -> Subject:
    """The model of an id. Raises as `require_model` does, and ModelWithdrawnError."""
    model = await service.require_model(session, model_id, principal)
    require_not_withdrawn(model, "be attested")
    return await _subject(session, model)


async def find_by_run(session: AsyncSession, tenant: str, run_id: str) -> Sequence[Subject]:
    """The models of a tenant that are registered with a run, at most `MAX_NAMED`.

    Raises ModelWithdrawnError where the last registration of the run was withdrawn.
    """
    is_of_run = (Model.tenant == tenant, Model.run_id == run_id)
    query = select(Model).where(*is_of_run, is_current())
    models = (await session.scalars(query.order_by(Model.number).limit(MAX_NAMED))).all()
    if not models:
        await _check_last_registration(session, *is_of_run)
    return [await _subject(session, model) for model in models]


async def find_by_version(
    session: AsyncSession, tenant: str, version: ModelVersion
) -> Subject | None:
    """The model of a tenant that is registered with a version, also under an earlier name.

    Raises ModelWithdrawnError where the last registration of the version was withdrawn.
    """
    is_of_version = (Model.tenant == tenant, is_record_of(version))
    model = (await session.scalars(select(Model).where(*is_of_version, is_current()))).first()
    if model is None:
        await _check_last_registration(session, *is_of_version)
        return None
    return await _subject(session, model)


async def _check_last_registration(session: AsyncSession, *conditions: ColumnElement[bool]) -> None:
    """For a run or version without a current record: raises as `find_by_id` does.

    By another name than its id, a model that was withdrawn is attested no more than by its id.
    """
    newest = select(Model).where(*conditions).order_by(Model.number.desc()).limit(1)
    model = await session.scalar(newest)
    if model is not None:
        require_not_withdrawn(model, "be attested")


async def _subject(session: AsyncSession, model: Model) -> Subject:
    return Subject(
        tenant=model.tenant,
        model_id=model.model_id,
        record=model,
        run_id=model.run_id,
        mlflow_name=model.mlflow_name,
        mlflow_version=model.mlflow_version,
        metrics=model.metrics,
        metric_sources={
            name: MetricSource.model_validate(source)
            for name, source in model.metric_sources.items()
        },
        primary_metric=model.primary_metric,
        directions=service.model_directions(model),
        baseline_model_id=model.baseline_model_id,
        shares=tuple(await find_shares(session, model.model_id)) if model.contributors else (),
        token_id=model.token_id,
        files=await find_summary(session, model.model_id),
        private=model.private,
    )
