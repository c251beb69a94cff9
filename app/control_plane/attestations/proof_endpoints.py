"""HTTP endpoint: what a proof of an improvement has to be bound to."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.control_plane.attestations.endpoints import SigningKey
from app.control_plane.attestations.registry_subjects import find_by_id
from app.control_plane.attestations.subjects import Subject
from app.control_plane.benchmarks.service import find_benchmark
from app.control_plane.proofs.binding import binding_of, bound_parts
from app.control_plane.proofs.schemas import BindingView
from app.core.errors import UnprocessableError
from app.rest.dependencies import Reading, Session
from app.rest.fields import Label

router = APIRouter(prefix="/api/benchmarks", tags=["benchmarks"])


@router.get("/{benchmark_id}/binding/{model_id}")
async def binding(
    benchmark_id: Label,
    model_id: Annotated[Label, Path(description="The improved model.")],
    caller: Reading,
    session: Session,
    attestor: SigningKey,
    baseline_model_id: Annotated[
        Label | None,
        Query(description="The baseline; by default the one that the model is registered with."),
    ] = None,
) -> BindingView:
    """What a proof of an improvement has to be bound to, as the models are now."""
    benchmark = await find_benchmark(session, benchmark_id, caller)
    improved = await find_by_id(session, model_id, caller)
    baseline_id = baseline_model_id or improved.baseline_model_id
    if baseline_id is None:
        raise UnprocessableError(f"{model_id} improves on no model.")
    baseline = await find_by_id(session, baseline_id, caller)
    parts = bound_parts(
        {
            "evaluation": {
                "benchmark": {
                    "benchmark_id": benchmark.benchmark_id,
                    "label_commitment": benchmark.label_commitment,
                }
            },
            "baseline": _bound(baseline),
            **_bound(improved),
            "contributors": [share.model_dump() for share in improved.shares],
        },
        attestor.chain.id,
    )
    return BindingView(binding=str(binding_of(parts)), parts=parts)


def _bound(subject: Subject) -> dict[str, object]:
    files = subject.files
    return {
        "model_id": subject.model_id,
        "files": files.attested() if files is not None else None,
    }
