"""HTTP endpoint: what a proof of an improvement has to be bound to."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from app.control_plane.attestations.endpoints import SigningKey
from app.control_plane.attestations.registry_subjects import find_by_id
from app.control_plane.attestations.subjects import Subject
from app.control_plane.benchmarks.service import find_benchmark
from app.control_plane.proofs.binding import binding_of, bound_parts
from app.control_plane.proofs.schemas import BindingView
from app.core.errors import NotFoundError
from app.core.request.principal import Principal
from app.rest.dependencies import Reading, Session
from app.rest.fields import Label
from app.rest.request_model import RequestModel

router = APIRouter(prefix="/api/proofs", tags=["proofs"])


class BindingFilter(RequestModel):
    """The improvement on a benchmark that is to be proven."""

    model_config = ConfigDict(protected_namespaces=())

    benchmark_id: Label
    baseline_model_id: Label
    improved_model_id: Label


@router.get("/binding")
async def binding(
    of: Annotated[BindingFilter, Query()], caller: Reading, session: Session, attestor: SigningKey
) -> BindingView:
    """What a proof of an improvement has to be bound to, as the models are now."""
    benchmark = await find_benchmark(session, of.benchmark_id, caller)
    baseline = await _find(session, of.baseline_model_id, caller)
    improved = await _find(session, of.improved_model_id, caller)
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


async def _find(session: Session, model_id: str, caller: Principal) -> Subject:
    found = await find_by_id(session, model_id, caller)
    if found is None:
        raise NotFoundError(f"There is no model {model_id}.")
    return found


def _bound(subject: Subject) -> dict[str, object]:
    files = subject.files
    return {
        "model_id": subject.model_id,
        "files": files.attested() if files is not None else None,
    }
