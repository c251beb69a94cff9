"""The pages of models: the list, one model, its lineage, several beside each other."""

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from app.control_plane.attestations.listing import newest_by_model, summaries_by_model
from app.control_plane.model_files.listing import list_files
from app.control_plane.registry.lineage import show_lineage
from app.control_plane.registry.listing import load_models, show_model
from app.control_plane.registry.schemas import (
    LineageView,
    ModelFilter,
    ModelKind,
    ModelOrder,
    ModelView,
)
from app.core.errors import UnprocessableError
from app.core.request.principal import Principal
from app.database.reads import Reads
from app.rest.dependencies import CurrentReads, Reading
from app.rest.fields import Label
from app.web.forms import ListSearch
from app.web.pages.model_facts import metric_of, metrics_of, primary_metric, row_of
from app.web.pictures.chart import Measured, chart
from app.web.pictures.lineage import name_of, picture
from app.web.rendering import page, paging

router = APIRouter(prefix="/models", include_in_schema=False)

# Attestations that are looked at for the badge of a model in a table, and shown on its page.
FOR_BADGE = 5
ON_PAGE = 20
FILES_ON_PAGE = 20
# Models of a lineage on the page of one model, and on its own page.
IN_PART, IN_WHOLE = 40, 200
MOST_COMPARED = 8
# The orders of the list, as the form names them.
ORDERS: dict[ModelOrder, str] = {
    "newest": "newest first",
    "highest": "highest value first",
    "lowest": "lowest value first",
    "improvement": "largest improvement first",
}


class ModelSearch(ListSearch, ModelFilter):
    """The conditions of the API."""


@router.get("")
async def list_models(
    request: Request,
    reader: Reading,
    reads: CurrentReads,
    conditions: Annotated[ModelSearch, Query()],
) -> Response:
    """The registered models."""
    models, following = await load_models(reads, conditions, reader)
    attestations = await summaries_by_model(
        reads, [model.model_id for model in models], reader, each=FOR_BADGE
    )
    return page(
        request,
        "models/list.html",
        compress=True,
        rows=[row_of(model, attestations[model.model_id]) for model in models],
        kinds=get_args(ModelKind),
        orders=ORDERS,
        conditions=conditions,
        **paging(conditions, following),
    )


@router.get("/compare")
async def compare(
    request: Request,
    reader: Reading,
    reads: CurrentReads,
    ids: Annotated[list[Annotated[str, Field(max_length=2000)]], Query()],
) -> Response:
    """Several models beside each other."""
    wanted = list(dict.fromkeys(one for text in ids for one in text.split(",") if one))
    if not 1 <= len(wanted) <= MOST_COMPARED:
        raise UnprocessableError(
            f"Compare 1 to {MOST_COMPARED} models: give their ids in `ids`, with commas between "
            f"them. There are {len(wanted)}."
        )
    models = [await show_model(reads, one, reader, newest_by_model) for one in wanted]
    attestations = await summaries_by_model(reads, wanted, reader, each=FOR_BADGE)
    names = sorted({name for model in models for name in model.metrics})
    return page(
        request,
        "models/compare.html",
        compress=True,
        rows=[row_of(model, attestations[model.model_id]) for model in models],
        metrics=[_compared(name, models) for name in names],
    )


@router.get("/{model_id}")
async def show(request: Request, model_id: Label, reader: Reading, reads: CurrentReads) -> Response:
    """One model."""
    model = await show_model(reads, model_id, reader, newest_by_model)
    attestations = await summaries_by_model(reads, [model_id], reader, each=ON_PAGE)
    lineage = await _lineage(reads, model_id, reader, limit=100)
    metric = primary_metric(model)
    files = await list_files(reads, model_id, reader, cursor=None, limit=FILES_ON_PAGE)
    is_own = model.tenant == reader.tenant
    may_download = is_own or (model.share_files and not model.withdrawn)
    # Revoked ones last: what the others say still holds.
    checked = min(attestations[model_id], key=lambda one: one.is_revoked, default=None)
    return page(
        request,
        "models/show.html",
        compress=True,
        model=model,
        row=row_of(model, attestations[model_id]),
        metrics=metrics_of(model),
        attestations=attestations[model_id],
        files=files,
        is_own=is_own,
        may_download=may_download,
        checked=checked,
        # An attestation from before the files were read has no digest of them.
        with_files=bool(
            may_download
            and checked is not None
            and files.witnessed_at is not None
            and files.witnessed_at <= checked.created_at
        ),
        picture=picture(lineage.nodes, lineage.path, metric, IN_PART),
        lineage=lineage,
        chart=_chart(lineage, metric),
        metric=metric,
    )


@router.get("/{model_id}/lineage")
async def show_tree(
    request: Request, model_id: Label, reader: Reading, reads: CurrentReads
) -> Response:
    """The whole lineage of a model."""
    model = await show_model(reads, model_id, reader, newest_by_model)
    lineage = await _lineage(reads, model_id, reader, limit=IN_WHOLE)
    metric = primary_metric(model)
    return page(
        request,
        "models/lineage.html",
        compress=True,
        model=model,
        picture=picture(lineage.nodes, lineage.path, metric, IN_WHOLE),
        lineage=lineage,
        chart=_chart(lineage, metric),
        metric=metric,
    )


async def _lineage(reads: Reads, model_id: str, reader: Principal, limit: int) -> LineageView:
    return await show_lineage(reads, model_id, reader, newest_by_model, cursor=None, limit=limit)


def _chart(lineage: LineageView, metric: str | None) -> Any:
    """The chart of a metric along the path to the model, as far as the nodes have it."""
    by_id = {node.model.model_id: node.model for node in lineage.nodes}
    line = [by_id[model_id] for model_id in lineage.path if model_id in by_id]
    return chart(
        [
            Measured(name_of(model), model.model_id, model.metrics[metric])
            for model in line
            if metric is not None and metric in model.metrics
        ]
    )


def _compared(name: str, models: list[ModelView]) -> dict[str, Any]:
    """One metric of the models that have it, and which of them have the best value."""
    found = [metric_of(model, name) if name in model.metrics else None for model in models]
    values = [one.value for one in found if one is not None]
    higher = next(model.higher_is_better[name] for model in models if name in model.metrics)
    best = max(values) if higher else min(values)
    return {
        "name": name,
        "higher_is_better": higher,
        "found": found,
        # No value is the best one where all are the same.
        "best": best if len(set(values)) > 1 else None,
    }
