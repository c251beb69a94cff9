"""Reading the registry."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.registry.metric_direction import improves_downwards
from app.control_plane.registry.models import Model
from app.control_plane.registry.schemas import (
    LineageNode,
    LineageView,
    ModelFilter,
    ModelView,
    ShortModel,
)
from app.core.ethereum import checksum_address
from app.core.request.principal import Principal
from app.rest.pagination import decode_number

# A tree of more models is shown in part.
MAX_NODES = 1000


class AttestationsOf(Protocol):
    """The attestations of each of some models; app/control_plane/attestations/service.py has it."""

    async def __call__(
        self, session: AsyncSession, model_ids: Sequence[str], principal: Principal
    ) -> dict[str, list[str]]: ...


async def find(session: AsyncSession, model_id: str, principal: Principal) -> Model | None:
    """The model of that id; None where there is none, or none that the caller may see."""
    return await session.scalar(select(Model).where(Model.model_id == model_id, visible(principal)))


async def page(session: AsyncSession, wanted: ModelFilter, principal: Principal) -> Sequence[Model]:
    """The models that match, newest first, one more than the limit where there are more."""
    query = (
        select(Model)
        .where(visible(principal))
        .order_by(Model.number.desc())
        .limit(wanted.limit + 1)
    )
    equal: dict[Any, Any] = {
        Model.kind: wanted.kind,
        Model.model_type: wanted.type,
        Model.tenant: wanted.tenant,
        Model.mlflow_name: wanted.name,
        Model.token: wanted.token.upper() if wanted.token else None,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.contributor is not None:
        address = checksum_address(wanted.contributor)
        query = query.where(Model.contributors.contains([{"address": address}]))
    if wanted.cursor is not None:
        query = query.where(Model.number < decode_number(wanted.cursor))
    return (await session.scalars(query)).all()


async def lineage(
    session: AsyncSession, model: Model, principal: Principal, attestations_of: AttestationsOf
) -> LineageView:
    """The tree that a model is in, as far as the caller may see it."""
    tree = select(Model).where(Model.root == model.root, visible(principal)).order_by(Model.number)
    rows = {row.model_id: row for row in await session.scalars(tree.limit(MAX_NODES + 1))}
    complete = len(rows) <= MAX_NODES
    if not complete:
        rows.popitem()
        rows |= {
            row.model_id: row
            for row in await session.scalars(tree.where(Model.model_id.in_(model.path)))
        }
    attested = await attestations_of(session, list(rows), principal)
    nodes = [_node(row, attested) for row in rows.values()]
    return LineageView(root=model.root, nodes=nodes, path=model.path, complete=complete)


def visible(principal: Principal) -> ColumnElement[bool]:
    """SQL: what is private is its own tenant's only."""
    return or_(~Model.private, Model.tenant == principal.tenant)


def view(model: Model, attestations: Sequence[str], principal: Principal) -> ModelView:
    """A model as it is shown to a caller."""
    own = model.tenant == principal.tenant
    columns = {
        name: getattr(model, name)
        for name in ModelView.model_fields
        if name not in ("mlflow_run_id", "metadata", "attestations", "higher_is_better")
    }
    hidden: dict[str, Any] = {} if own else {"tags": {}, "warnings": []}
    return ModelView.model_validate(
        columns
        | {
            "mlflow_run_id": model.run_id,
            "metadata": model.given_metadata if own else {},
            "attestations": list(attestations),
            "higher_is_better": directions(model.metrics, model.higher_is_better),
        }
        | hidden
    )


def directions(metrics: Mapping[str, float], given: Mapping[str, bool]) -> dict[str, bool]:
    """For each metric, whether more of it is better."""
    return {name: not improves_downwards(name, given) for name in metrics}


def _node(model: Model, attested: Mapping[str, list[str]]) -> LineageNode:
    short = {name: getattr(model, name) for name in ShortModel.model_fields}
    return LineageNode.model_validate(
        {
            "model": short,
            "baseline_model_id": model.baseline_model_id,
            "delta": model.delta,
            "contributors": model.contributors,
            "attestations": attested.get(model.model_id, []),
        }
    )
