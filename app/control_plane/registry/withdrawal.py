"""Withdrawing a registration: the record stays, and nothing builds on it any more."""

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.contributors.service import withdraw_contributions
from app.control_plane.registry.models import Model
from app.control_plane.registry.service import require_model
from app.core.errors import ModelWithdrawnError, PermissionDeniedError
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.database.engine import now


async def withdraw(
    session: AsyncSession, model_id: str, reason: str, principal: Principal, actor: Actor
) -> Model:
    """Withdraw a registration of the principal's tenant. One that is withdrawn stays as it is.

    Its version in MLflow, or its run, can be registered anew. A token id stays with its tenant:
    another tenant could otherwise take the id that others know as this tenant's.

    Raises NotFoundError, and PermissionDeniedError for another tenant's model.
    """
    model = await require_model(session, model_id, principal, lock=True)
    if model.tenant != principal.tenant and Scope.ADMIN not in principal.scopes:
        raise PermissionDeniedError(
            f"The model {model_id} belongs to another tenant, which alone can withdraw it."
        )
    if model.withdrawn_at is None:
        model.withdrawn_at, model.withdrawal_reason = now(), reason
        improvements = {name: delta["improvement"] for name, delta in model.delta.items()}
        audience = model.tenant if model.private else ""
        await withdraw_contributions(session, model_id, audience, improvements)
        audit.record(
            session,
            actor,
            "model.withdrawn",
            model_id,
            model.tenant,
            kind=model.kind,
            reason=reason,
        )
    return model


async def find_withdrawn(session: AsyncSession, model_ids: Collection[str]) -> Mapping[str, Model]:
    """Those of some models that are withdrawn, by their ids."""
    if not model_ids:
        return {}
    query = select(Model).where(Model.model_id.in_(model_ids), Model.withdrawn_at.is_not(None))
    return {model.model_id: model for model in await session.scalars(query)}


def require_not_withdrawn(model: Model, to: str) -> None:
    """Raises ModelWithdrawnError for a withdrawn model. to: what it is needed for, in words."""
    if model.withdrawn_at is not None:
        raise ModelWithdrawnError(
            f"{model.model_id} was withdrawn on {model.withdrawn_at:%Y-%m-%d %H:%M} UTC "
            f"({model.withdrawal_reason}), so it cannot {to}. If its tenant has registered the "
            "model anew, use the new model_id."
        )
