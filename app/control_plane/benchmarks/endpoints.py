"""HTTP endpoints: benchmarks, and commitments to predictions on them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, status

from app.access.quotas.service import Quotas
from app.control_plane.benchmarks import listing, predictions, service
from app.control_plane.benchmarks.schemas import (
    BenchmarkFilter,
    BenchmarkRequest,
    BenchmarkSummary,
    BenchmarkView,
    LabelReleaseView,
    PredictionsFilter,
    PredictionsRequest,
    PredictionsView,
)
from app.control_plane.benchmarks.service import BenchmarkRegistry
from app.control_plane.document_route import DocumentRoute
from app.control_plane.idempotency.headers import REPLAYED, IdempotencyKey
from app.control_plane.transparency_log.dependencies import Signer
from app.core.app_state import state_of
from app.core.request.context import context_of
from app.core.settings import Settings
from app.rest.dependencies import ChangeSession, CurrentActor, CurrentReads, Reading, Registering
from app.rest.fields import Label
from app.rest.json_response import json_response
from app.rest.pagination import Page

router = APIRouter(prefix="/api/benchmarks", tags=["benchmarks"], route_class=DocumentRoute)


@router.post("", status_code=status.HTTP_201_CREATED)
async def register_benchmark(
    request: Request,
    response: Response,
    body: BenchmarkRequest,
    caller: Registering,
    actor: CurrentActor,
    reads: CurrentReads,
    idempotency_key: IdempotencyKey = None,
) -> BenchmarkView:
    """Register a benchmark: a test set, the metric that counts on it, and its committed labels.

    It never changes, and its entry in the public log says since when it stands.
    """
    registry = state_of(request)[BenchmarkRegistry]
    proof = context_of(request.scope).wallet_proof
    benchmark, replayed = await registry.register(caller, body, actor, idempotency_key, proof)
    response.headers["Location"] = f"/api/benchmarks/{benchmark.benchmark_id}"
    if replayed:
        response.headers[REPLAYED] = "true"
        # Its labels may have been released since.
        return await listing.show_benchmark(reads, benchmark.benchmark_id, caller)
    summary = BenchmarkSummary.model_validate(benchmark).model_dump()
    return BenchmarkView(**summary, record=benchmark.record, labels_released=None)


@router.get("", response_model=Page[BenchmarkSummary])
async def list_benchmarks(
    reader: Reading, reads: CurrentReads, conditions: Annotated[BenchmarkFilter, Query()]
) -> Response:
    """The benchmarks of all tenants, newest first. Private ones show to their own tenant."""
    return await listing.list_benchmarks(reads, conditions, reader)


@router.get("/{benchmark_id}", response_model=BenchmarkView)
async def show_benchmark(benchmark_id: Label, reader: Reading, reads: CurrentReads) -> Response:
    """One benchmark, with the record whose SHA-256 is in the log."""
    return json_response(await listing.show_benchmark(reads, benchmark_id, reader))


@router.post("/{benchmark_id}/predictions", status_code=status.HTTP_201_CREATED)
async def commit_predictions(
    request: Request,
    response: Response,
    benchmark_id: Label,
    body: PredictionsRequest,
    caller: Registering,
    actor: CurrentActor,
    session: ChangeSession,
    signer: Signer,
) -> PredictionsView:
    """Commit to the predictions of a model of one's own, before anybody knows the labels.

    Each model has one commitment on a benchmark, for ever: the same one again changes nothing, and
    another one is refused.
    """
    services = state_of(request)
    committed, replayed = await predictions.commit_predictions(
        session,
        benchmark_id,
        body,
        caller,
        actor,
        signer,
        services[Quotas],
        reads_files=services[Settings].model_files_readers > 0,
    )
    if replayed:
        response.headers[REPLAYED] = "true"
    return PredictionsView.model_validate(committed)


@router.get("/{benchmark_id}/predictions", response_model=Page[PredictionsView])
async def list_predictions(
    benchmark_id: Label,
    reader: Reading,
    reads: CurrentReads,
    conditions: Annotated[PredictionsFilter, Query()],
) -> Response:
    """The commitments on a benchmark, newest first; those of private models for their tenant."""
    return await listing.list_predictions(reads, benchmark_id, conditions, reader)


@router.post("/{benchmark_id}/release-labels")
async def release_labels(
    benchmark_id: Label,
    caller: Registering,
    actor: CurrentActor,
    session: ChangeSession,
    signer: Signer,
) -> LabelReleaseView:
    """Note in the log that the labels leave their holder. No predictions are accepted afterwards.

    A second time changes nothing.
    """
    released = await service.release_labels(session, benchmark_id, caller, actor, signer)
    return LabelReleaseView.model_validate(released)
