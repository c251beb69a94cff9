"""The models of the registry as subjects of attestations."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.service import find_shares
from app.control_plane.registry import service
from app.control_plane.registry.metric_source import MetricSource
from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import is_current
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.core.request.principal import Principal
from app.mlflow.resources import ModelVersion

# How many models of one run are looked at: enough to say that there are several.
MAX_NAMED = 5


async def find_by_id(session: AsyncSession, model_id: str, principal: Principal) -> Subject | None:
    """The model of an id; None where there is none, or none that the principal may see.

    Raises ModelWithdrawnError.
    """
    model = await service.find_model(session, model_id, principal)
    if model is None:
        return None
    require_not_withdrawn(model, "be attested")
    return await _subject(session, model)


async def find_by_run(session: AsyncSession, tenant: str, run_id: str) -> Sequence[Subject]:
    """The models of a tenant that are registered with a run, at most `MAX_NAMED`."""
    query = select(Model).where(Model.tenant == tenant, Model.run_id == run_id, is_current())
    models = (await session.scalars(query.order_by(Model.number).limit(MAX_NAMED))).all()
    return [await _subject(session, model) for model in models]


async def find_by_version(
    session: AsyncSession, tenant: str, version: ModelVersion
) -> Subject | None:
    """The model of a tenant that is registered with a version, also under an earlier name."""
    query = select(Model).where(Model.tenant == tenant, _is_of(version), is_current())
    model = (await session.scalars(query)).first()
    return None if model is None else await _subject(session, model)


async def is_registered_as_private(
    session: AsyncSession, tenant: str, run_id: str | None, version: ModelVersion | None = None
) -> bool:
    """Whether a run or version is, or was, that of a private model of the tenant."""
    names = [Model.run_id == run_id] if run_id is not None else []
    if version is not None:
        names.append(_is_of(version))
    query = select(Model.model_id).where(Model.tenant == tenant, Model.private, or_(*names))
    return bool(names) and (await session.scalars(query.limit(1))).first() is not None


def _is_of(version: ModelVersion) -> ColumnElement[bool]:
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
        private=model.private,
    )
