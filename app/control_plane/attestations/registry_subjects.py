"""The models of the registry as subjects of attestations."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.service import find_shares
from app.control_plane.registry import service
from app.core.request.principal import Principal


class RegisteredModels:
    """Implements `SubjectRegistry` with the model registry."""

    async def find(
        self, session: AsyncSession, model_id: str, principal: Principal
    ) -> Subject | None:
        """The model of an id; None where there is none, or none that the principal may see."""
        model = await service.find_model(session, model_id, principal)
        if model is None:
            return None
        return Subject(
            tenant=model.tenant,
            model_id=model.model_id,
            run_id=model.run_id,
            mlflow_name=model.mlflow_name,
            mlflow_version=model.mlflow_version,
            metrics=model.metrics,
            primary_metric=model.primary_metric,
            directions=service.model_directions(model),
            baseline_model_id=model.baseline_model_id,
            shares=tuple(await find_shares(session, model_id)) if model.contributors else (),
            token_id=model.token_id,
            private=model.private,
        )
