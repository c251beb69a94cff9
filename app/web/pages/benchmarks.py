"""The pages of benchmarks: the list, and one with the predictions that are committed on it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.control_plane.benchmarks.listing import (
    load_benchmarks,
    load_predictions,
    show_benchmark,
)
from app.control_plane.benchmarks.schemas import BenchmarkFilter, PredictionsFilter
from app.rest.dependencies import CurrentReads, Reading
from app.rest.fields import Label
from app.web.forms import ListSearch
from app.web.rendering import page, paging

router = APIRouter(prefix="/benchmarks", include_in_schema=False)


class BenchmarkSearch(ListSearch, BenchmarkFilter):
    """The conditions of the API."""


class PredictionSearch(ListSearch, PredictionsFilter):
    """The conditions of the API."""


@router.get("")
async def list_benchmarks(
    request: Request,
    reader: Reading,
    reads: CurrentReads,
    conditions: Annotated[BenchmarkSearch, Query()],
) -> Response:
    """The benchmarks, as the API lists them."""
    benchmarks, following = await load_benchmarks(reads, conditions, reader)
    return page(
        request,
        "benchmarks/list.html",
        compress=True,
        benchmarks=benchmarks,
        conditions=conditions,
        **paging(conditions, following),
    )


@router.get("/{benchmark_id}")
async def show(
    request: Request,
    benchmark_id: Label,
    reader: Reading,
    reads: CurrentReads,
    conditions: Annotated[PredictionSearch, Query()],
) -> Response:
    """One benchmark, with the commitments on it."""
    benchmark = await show_benchmark(reads, benchmark_id, reader)
    predictions, following = await load_predictions(reads, benchmark_id, conditions, reader)
    return page(
        request,
        "benchmarks/show.html",
        compress=True,
        benchmark=benchmark,
        predictions=predictions,
        is_own=benchmark.tenant == reader.tenant,
        **paging(conditions, following),
    )
