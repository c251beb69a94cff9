"""Benchmarks and the commitments on them, as endpoints and pages read them."""

from typing import Any

from sqlalchemy import bindparam, or_, select
from starlette.responses import Response

from app.control_plane.benchmarks.models import Benchmark, LabelRelease, PredictionCommitment
from app.control_plane.benchmarks.schemas import (
    BenchmarkFilter,
    BenchmarkSummary,
    BenchmarkView,
    LabelReleaseView,
    PredictionsFilter,
    PredictionsView,
)
from app.core.errors import NotFoundError
from app.core.request.principal import Principal
from app.database.reads import Reads, Statement, columns_of
from app.rest.listing import FilteredListing, load_page, read_page

_VISIBLE = or_(~Benchmark.private, Benchmark.tenant == bindparam("own"))
_SUMMARY = [getattr(Benchmark, name).label(name) for name in BenchmarkSummary.model_fields]
_ONE = Statement(
    select(
        *columns_of(Benchmark),
        LabelRelease.log_index.label("released_index"),
        LabelRelease.at.label("released_at"),
    )
    .join_from(Benchmark, LabelRelease, isouter=True)
    .where(Benchmark.benchmark_id == bindparam("benchmark_id"), _VISIBLE)
)
_BENCHMARKS = FilteredListing(
    Benchmark.number,
    _SUMMARY,
    visible=_VISIBLE,
    conditions={
        name: getattr(Benchmark, name) == bindparam(name)
        for name in ("dataset_hash", "name", "tenant", "metric")
    },
    elsewhere={},
)
_PREDICTIONS = FilteredListing(
    PredictionCommitment.number,
    [getattr(PredictionCommitment, name).label(name) for name in PredictionsView.model_fields],
    visible=or_(~PredictionCommitment.private, PredictionCommitment.tenant == bindparam("own")),
    conditions={
        name: getattr(PredictionCommitment, name) == bindparam(name)
        for name in ("model_id", "benchmark_id")
    },
    elsewhere={},
)


async def show_benchmark(reads: Reads, benchmark_id: str, principal: Principal) -> BenchmarkView:
    """One benchmark. Raises NotFoundError where there is none that the principal may see."""
    row = await reads.first(_ONE, benchmark_id=benchmark_id, own=principal.tenant)
    if row is None:
        raise NotFoundError(f"There is no benchmark {benchmark_id}.")
    released = None
    if row.released_index is not None:
        released = LabelReleaseView(log_index=row.released_index, at=row.released_at)
    members = {name: getattr(row, name) for name in BenchmarkSummary.model_fields}
    return BenchmarkView.model_validate(
        members | {"record": row.record, "labels_released": released}
    )


async def list_benchmarks(reads: Reads, filters: BenchmarkFilter, principal: Principal) -> Response:
    """A page of the benchmarks that meet the conditions and that a principal may see."""
    return await read_page(
        reads,
        _BENCHMARKS.by(filters.conditions()),
        BenchmarkSummary.model_validate,
        **_values(filters, principal),
    )


async def load_benchmarks(
    reads: Reads, filters: BenchmarkFilter, principal: Principal
) -> tuple[list[BenchmarkSummary], str | None]:
    """The same as objects, and the cursor of the next page if there is one."""
    return await load_page(
        reads,
        _BENCHMARKS.by(filters.conditions()),
        BenchmarkSummary.model_validate,
        **_values(filters, principal),
    )


async def list_predictions(
    reads: Reads, benchmark_id: str, filters: PredictionsFilter, principal: Principal
) -> Response:
    """A page of the commitments on a benchmark that a principal may see, newest first.

    Raises NotFoundError as `show_benchmark` does.
    """
    await show_benchmark(reads, benchmark_id, principal)
    values = _values(filters, principal) | {"benchmark_id": benchmark_id}
    return await read_page(
        reads,
        _PREDICTIONS.by({*filters.conditions(), "benchmark_id"}),
        PredictionsView.model_validate,
        **values,
    )


async def load_predictions(
    reads: Reads, benchmark_id: str, filters: PredictionsFilter, principal: Principal
) -> tuple[list[PredictionsView], str | None]:
    """The same as objects, of a benchmark that the principal may see, and the next cursor."""
    values = _values(filters, principal) | {"benchmark_id": benchmark_id}
    return await load_page(
        reads,
        _PREDICTIONS.by({*filters.conditions(), "benchmark_id"}),
        PredictionsView.model_validate,
        **values,
    )


def _values(filters: BenchmarkFilter | PredictionsFilter, principal: Principal) -> dict[str, Any]:
    return {
        "cursor": filters.cursor,
        "limit": filters.limit,
        "own": principal.tenant,
        **filters.conditions(),
    }
