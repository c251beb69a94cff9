"""What the registry shows of a model, and to whom."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.contributors.shares import Share
from app.control_plane.registry.metric_direction import Direction, resolve_directions
from app.control_plane.registry.model_ids import no_model
from app.control_plane.registry.models import Model
from app.control_plane.registry.schemas import (
    LineageModel,
    LineageNode,
    ModelSummary,
    ModelView,
    WithdrawalView,
)
from app.core.request.principal import Principal
from app.database.reads import Reads

# Members of views that are not columns of `Model`.
_NOT_COLUMNS = frozenset(
    {"mlflow_run_id", "metadata", "attestations", "higher_is_better", "withdrawn"}
)


class AttestationsByModel(Protocol):
    """The hashes of each model's newest attestations, oldest first.

    The attestations package, which is above this one, implements it.
    """

    async def __call__(
        self, reads: Reads, model_ids: Sequence[str], principal: Principal
    ) -> dict[str, list[str]]: ...


async def find_model(session: AsyncSession, model_id: str, principal: Principal) -> Model | None:
    """The model of an id; None where there is none, or none that the principal may see."""
    return await session.scalar(
        select(Model).where(Model.model_id == model_id, is_visible(principal))
    )


async def require_model(
    session: AsyncSession, model_id: str, principal: Principal, *, lock: bool = False
) -> Model:
    """The model of an id. lock: lock its row. Raises NotFoundError for what `find_model` does not
    find."""
    query = select(Model).where(Model.model_id == model_id, is_visible(principal))
    model = await session.scalar(query.with_for_update() if lock else query)
    if model is None:
        raise no_model(model_id)
    return model


def is_visible(principal: Principal) -> ColumnElement[bool]:
    """SQL: whether a principal may see a model: a private one only that of its own tenant."""
    return or_(~Model.private, Model.tenant == principal.tenant)


def model_view(
    model: Model, attestations: Sequence[str], principal: Principal, shares: Sequence[Share]
) -> ModelView:
    """A model as it is shown to a principal: in full to its own tenant only.

    shares: its contributions, with their details.
    """
    is_own = model.tenant == principal.tenant
    withheld: dict[str, Any] = {}
    if not is_own:
        # What is in MLflow is the owner's own.
        sources = {
            name: source | {"in_mlflow": None} for name, source in model.metric_sources.items()
        }
        withheld = {"tags": {}, "warnings": [], "metric_sources": sources}
    return ModelView.model_validate(
        _members(model, ModelView)
        | {
            "metadata": model.stated_metadata if is_own else {},
            "attestations": list(attestations),
            "contributors": shares,
        }
        | withheld
    )


def model_summary(model: Model) -> ModelSummary:
    """A model as lists show it."""
    return ModelSummary.model_validate(_members(model, ModelSummary))


def _members(model: Model, view: type[ModelSummary]) -> dict[str, Any]:
    columns = {name: getattr(model, name) for name in view.model_fields if name not in _NOT_COLUMNS}
    directions = model_directions(model)
    return columns | {
        "mlflow_run_id": model.run_id,
        "higher_is_better": {name: directions[name].higher_is_better for name in model.metrics},
        "directions": {name: directions[name].source for name in model.metrics},
        "withdrawn": _withdrawal(model),
    }


def model_directions(model: Model) -> dict[str, Direction]:
    """The directions that are recorded with a model, and those of its other metrics by name."""
    recorded = {
        name: Direction.model_validate(direction) for name, direction in model.directions.items()
    }
    return recorded | resolve_directions(model.metrics, recorded)


def _withdrawal(model: Model) -> WithdrawalView | None:
    if model.withdrawn_at is None:
        return None
    return WithdrawalView(at=model.withdrawn_at, reason=model.withdrawal_reason or "")


def lineage_node(model: Model) -> LineageNode:
    """A model in a lineage tree, still without its attestations."""
    summary = {
        name: getattr(model, name) for name in LineageModel.model_fields if name not in _NOT_COLUMNS
    }
    return LineageNode.model_validate(
        {
            "model": summary | {"withdrawn": _withdrawal(model)},
            "baseline_model_id": model.baseline_model_id,
            "delta": model.delta,
            "contributors": model.contributors,
            "attestations": [],
        }
    )
