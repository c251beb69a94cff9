"""The list of models, and one model, as endpoints read them."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Double, bindparam, literal_column, or_, select
from starlette.responses import Response

from app.control_plane.contributors.models import Contribution
from app.control_plane.contributors.service import read_shares
from app.control_plane.registry.model_ids import no_model
from app.control_plane.registry.models import PRIMARY_IMPROVEMENT, PRIMARY_VALUE, Model
from app.control_plane.registry.schemas import ModelFilter, ModelSummary, ModelView
from app.control_plane.registry.service import (
    AttestationsByModel,
    model_summary,
    model_view,
)
from app.core.errors import InvalidParameterError
from app.core.ethereum import checksum_address
from app.core.request.principal import Principal
from app.database.reads import Reads, Statement, columns_of
from app.rest.listing import FilteredListing, Listing, Order, by_value, load_page, read_page

VISIBLE = or_(~Model.private, Model.tenant == bindparam("own"))
_ONE = Statement(select(*columns_of(Model)).where(Model.model_id == bindparam("model_id"), VISIBLE))
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    name: column == bindparam(name)
    for name, column in (
        ("run_id", Model.run_id),
        ("token", Model.token),
        ("name", Model.mlflow_name),
        ("tenant", Model.tenant),
        ("type", Model.model_type),
        ("metric", Model.primary_metric),
        ("kind", Model.kind),
    )
}
_VALUE: ColumnElement[float] = literal_column(PRIMARY_VALUE, Double)
_IMPROVEMENT: ColumnElement[float] = literal_column(PRIMARY_IMPROVEMENT, Double)
# By the names of the orders: of the models with one `metric`.
_ORDERS: dict[str, Order] = {
    "highest": by_value(_VALUE, Model.number, descending=True),
    "lowest": by_value(_VALUE, Model.number, descending=False),
    "improvement": by_value(_IMPROVEMENT, Model.number, descending=True),
}
_CONTRIBUTED = Contribution.address == bindparam("contributor")
_COLUMNS = columns_of(Model, without=["stated_metadata", "tags", "warnings", "path", "evaluation"])
_NEWEST = FilteredListing(
    Model.number,
    _COLUMNS,
    visible=VISIBLE,
    conditions=_CONDITIONS,
    elsewhere={"contributor": (Contribution.model_number, _CONTRIBUTED)},
)


async def show_model(
    reads: Reads, model_id: str, principal: Principal, attestations_by_model: AttestationsByModel
) -> ModelView:
    """One model. Raises NotFoundError for one that the principal may not see, or that is none."""
    model = await reads.first(_ONE, model_id=model_id, own=principal.tenant)
    if model is None:
        raise no_model(model_id)
    attestations = await attestations_by_model(reads, [model_id], principal)
    shares = await read_shares(reads, model_id) if model.contributors else []
    return model_view(model, attestations[model_id], principal, shares)


async def list_models(reads: Reads, filters: ModelFilter, principal: Principal) -> Response:
    """A page of the models that meet the conditions and that a principal may see."""
    listing, values = _listing_of(filters)
    return await read_page(reads, listing, model_summary, own=principal.tenant, **values)


async def load_models(
    reads: Reads, filters: ModelFilter, principal: Principal
) -> tuple[list[ModelSummary], str | None]:
    """The same as objects, and the cursor of the next page if there is one."""
    listing, values = _listing_of(filters)
    return await load_page(reads, listing, model_summary, own=principal.tenant, **values)


def _listing_of(filters: ModelFilter) -> tuple[Listing, dict[str, Any]]:
    """The list with these conditions, and the values to read it with."""
    values = filters.conditions()
    if filters.token is not None:
        values["token"] = filters.token.upper()
    if filters.contributor is not None:
        values["contributor"] = checksum_address(filters.contributor)
    order = values.pop("sort")
    if order != "newest" and filters.metric is None:
        raise InvalidParameterError(
            f"sort={order} needs `metric`, the name of a metric: values of different metrics "
            "cannot be compared."
        )
    listing = (
        _NEWEST.by(values) if order == "newest" else _sorted(frozenset(values), _ORDERS[order])
    )
    return listing, {"cursor": filters.cursor, "limit": filters.limit, **values}


@cache
def _sorted(filters: frozenset[str], order: Order) -> Listing:
    """The models with one metric, in the order of its value or improvement."""
    fits = [_CONDITIONS[name] for name in _CONDITIONS if name in filters and name != "metric"]
    if "contributor" in filters:
        # Not EXISTS, for which PostgreSQL might read all of the address.
        contributed = select(Contribution.id).where(
            _CONTRIBUTED, Contribution.model_number == Model.number
        )
        fits.append(contributed.limit(1).scalar_subquery().is_not(None))
    return Listing(
        order,
        _COLUMNS,
        Model.number,
        within=[_CONDITIONS["metric"], order.columns[0].is_not(None)],
        fits=[VISIBLE, *fits],
    )
