"""Which runs and versions in MLflow are those of private models."""

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.registry.models import Model
from app.control_plane.registry.presence import is_record_of
from app.mlflow.resources import ModelVersion


async def private_model_of(
    session: AsyncSession, tenant: str, run_id: str | None, version: ModelVersion | None = None
) -> str | None:
    """The id of a private model of the tenant whose run or version is, or was, this one.

    A registration that was withdrawn does not count: its tenant can publish the model afterwards.
    """
    names = [Model.run_id == run_id] if run_id is not None else []
    if version is not None:
        names.append(is_record_of(version))
    if not names:
        return None
    query = select(Model.model_id).where(
        Model.tenant == tenant, Model.private, Model.withdrawn_at.is_(None), or_(*names)
    )
    return await session.scalar(query.limit(1))
