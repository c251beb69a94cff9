"""Reading the model registry: models, lists of models, lineage trees."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.registry.metric_direction import Direction, resolve_directions
from app.control_plane.registry.models import Model
from app.control_plane.registry.schemas import (
    LineageModel,
    LineageNode,
    LineageView,
    ModelFilter,
    ModelView,
)
from app.core.ethereum import checksum_address
from app.core.request.principal import Principal
from app.rest.pagination import decode_number

# A larger lineage tree is shown in part.
MAX_NODES = 1000


class AttestationsByModel(Protocol):
    """The hashes of each model's attestations, oldest first.

    The attestations package, which is above this one, implements it.
    """

    async def __call__(
        self, session: AsyncSession, model_ids: Sequence[str], principal: Principal
    ) -> dict[str, list[str]]: ...


async def find_model(session: AsyncSession, model_id: str, principal: Principal) -> Model | None:
    """The model of an id; None where there is none, or none that the principal may see."""
    return await session.scalar(
        select(Model).where(Model.model_id == model_id, is_visible(principal))
    )


async def list_models(
    session: AsyncSession, conditions: ModelFilter, principal: Principal
) -> Sequence[Model]:
    """The models that meet the conditions, newest first: one more than the limit if there is."""
    query = (
        select(Model)
        .where(is_visible(principal))
        .order_by(Model.number.desc())
        .limit(conditions.limit + 1)
    )
    values: dict[Any, Any] = {
        Model.kind: conditions.kind,
        Model.model_type: conditions.type,
        Model.tenant: conditions.tenant,
        Model.mlflow_name: conditions.name,
        Model.token: conditions.token.upper() if conditions.token else None,
    }
    for column, value in values.items():
        if value is not None:
            query = query.where(column == value)
    if conditions.contributor is not None:
        address = checksum_address(conditions.contributor)
        query = query.where(Model.contributors.contains([{"address": address}]))
    if conditions.cursor is not None:
        query = query.where(Model.number < decode_number(conditions.cursor))
    return (await session.scalars(query)).all()


async def lineage_view(
    session: AsyncSession,
    model: Model,
    principal: Principal,
    attestations_by_model: AttestationsByModel,
) -> LineageView:
    """The lineage tree of a model, as far as the principal may see it."""
    tree = (
        select(Model).where(Model.root == model.root, is_visible(principal)).order_by(Model.number)
    )
    models = {row.model_id: row for row in await session.scalars(tree.limit(MAX_NODES + 1))}
    is_complete = len(models) <= MAX_NODES
    if not is_complete:
        models.popitem()
        models |= {
            row.model_id: row
            for row in await session.scalars(tree.where(Model.model_id.in_(model.path)))
        }
    attestations = await attestations_by_model(session, list(models), principal)
    return LineageView(
        root=model.root,
        nodes=[_node(row, attestations.get(row.model_id, [])) for row in models.values()],
        path=model.path,
        complete=is_complete,
    )


def is_visible(principal: Principal) -> ColumnElement[bool]:
    """SQL: whether a principal may see a model: a private one only that of its own tenant."""
    return or_(~Model.private, Model.tenant == principal.tenant)


def model_view(model: Model, attestations: Sequence[str], principal: Principal) -> ModelView:
    """A model as it is shown to a principal: in full to its own tenant only."""
    is_own = model.tenant == principal.tenant
    columns = {
        name: getattr(model, name)
        for name in ModelView.model_fields
        if name not in ("mlflow_run_id", "metadata", "attestations", "higher_is_better")
    }
    directions = model_directions(model)
    withheld: dict[str, Any] = {}
    if not is_own:
        # What is in MLflow is the owner's own.
        sources = {
            name: source | {"in_mlflow": None} for name, source in model.metric_sources.items()
        }
        withheld = {"tags": {}, "warnings": [], "metric_sources": sources}
    return ModelView.model_validate(
        columns
        | {
            "mlflow_run_id": model.run_id,
            "metadata": model.stated_metadata if is_own else {},
            "attestations": list(attestations),
            "higher_is_better": {name: directions[name].higher_is_better for name in model.metrics},
            "directions": {name: directions[name].source for name in model.metrics},
        }
        | withheld
    )


def model_directions(model: Model) -> dict[str, Direction]:
    """The directions that are recorded with a model, and those of its other metrics by name."""
    recorded = {
        name: Direction.model_validate(direction) for name, direction in model.directions.items()
    }
    return recorded | resolve_directions(model.metrics, recorded)


def _node(model: Model, attestations: list[str]) -> LineageNode:
    summary = {name: getattr(model, name) for name in LineageModel.model_fields}
    return LineageNode.model_validate(
        {
            "model": summary,
            "baseline_model_id": model.baseline_model_id,
            "delta": model.delta,
            "contributors": model.contributors,
            "attestations": attestations,
        }
    )
