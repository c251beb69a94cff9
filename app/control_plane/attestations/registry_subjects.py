"""The registry's models as subjects of attestations."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.shares import Share
from app.control_plane.registry import service
from app.core.request.principal import Principal


class RegisteredModels:
    """`Subjects` from the registry."""

    async def model(
        self, session: AsyncSession, model_id: str, principal: Principal
    ) -> Subject | None:
        """The model of that id; None where there is none, or none that the caller may see."""
        found = await service.find(session, model_id, principal)
        if found is None:
            return None
        return Subject(
            tenant=found.tenant,
            model_id=found.model_id,
            run_id=found.run_id,
            mlflow_name=found.mlflow_name,
            mlflow_version=found.mlflow_version,
            metrics=found.metrics,
            primary_metric=found.primary_metric,
            higher_is_better=found.higher_is_better,
            baseline_model_id=found.baseline_model_id,
            shares=tuple(Share.model_validate(share) for share in found.contributors),
            token_id=found.token_id,
            private=found.private,
        )
