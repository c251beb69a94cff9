"""The evaluation on a benchmark that an attestation of an improvement has."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.evidence import Evidence
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.benchmarks.evaluation import (
    Committed,
    CountSource,
    evaluation_data,
    require_directions,
)
from app.control_plane.benchmarks.measured import Measured, measure, measured_before
from app.control_plane.benchmarks.models import Benchmark
from app.control_plane.benchmarks.predictions import find_predictions, require_predictions
from app.control_plane.benchmarks.service import find_benchmark
from app.control_plane.proofs.service import Proofs
from app.control_plane.registry.metric_direction import Direction
from app.core.errors import ProofRefusedError, UnprocessableError
from app.core.request.principal import Principal
from app.database.engine import Database


@dataclass(frozen=True, slots=True)
class Stated:
    """What is stated of an evaluation, in a request or in the improvement's registration.

    source: what the counts or scores rest on.
    """

    benchmark: Benchmark
    measured: Measured
    source: CountSource = "given"


async def find_requested(
    database: Database, request: AttestationRequest, principal: Principal, proofs: Proofs
) -> Stated | None:
    """The evaluation that a request states, or that its proof shows.

    Raises NotFoundError for a benchmark that the principal may not see, UnprocessableError for one
    of another metric than the request's, and ProofRefusedError.
    """
    if request.benchmark_id is None:
        return None
    async with database.transaction() as session:
        benchmark = await find_benchmark(session, request.benchmark_id, principal)
    if request.primary_metric not in (None, benchmark.metric):
        raise UnprocessableError(
            f"primary_metric is {request.primary_metric!r}, and the metric of the benchmark is "
            f"{benchmark.metric!r}. Leave primary_metric out."
        )
    if request.proof is None:
        assert request.evaluation is not None
        return Stated(benchmark, await measure(benchmark, request.evaluation))
    shown = await proofs.evaluation(request.proof, benchmark.metric)
    if request.evaluation not in (None, shown):
        raise ProofRefusedError(
            f"The proof shows other counts than `evaluation` has: {shown.model_dump()}. Leave "
            "evaluation out."
        )
    return Stated(benchmark, await measure(benchmark, shown), "proven")


async def find_registered(
    database: Database, request: AttestationRequest, evidence: Evidence, principal: Principal
) -> Stated | None:
    """The evaluation of the improvement's registration, where the same numbers are attested."""
    registered = _registered(evidence)
    if registered is None or request.primary_metric not in (
        None,
        registered["benchmark"]["metric"],
    ):
        return None
    benchmark_id = registered["benchmark"]["benchmark_id"]
    async with database.transaction() as session:
        benchmark = await find_benchmark(session, benchmark_id, principal)
    return Stated(benchmark, measured_before(registered))


def _registered(evidence: Evidence) -> Mapping[str, Any] | None:
    """The evaluation of the improvement's registration, where the same numbers are attested."""
    model = evidence.improved.subject.record
    baseline = evidence.baseline
    if model is None or model.evaluation is None or baseline is None:
        return None
    registered: Mapping[str, Any] = model.evaluation
    metric = registered["benchmark"]["metric"]
    is_same_comparison = (
        baseline.subject.model_id == model.baseline_model_id
        and evidence.improved.values.get(metric) == model.metrics[metric]
        and baseline.values.get(metric) == baseline.subject.metrics.get(metric)
    )
    return registered if is_same_comparison else None


def _require_registered(stated: Stated, evidence: Evidence) -> None:
    """Raises UnprocessableError for another measurement than the registration has on the benchmark.

    The same share of more rows would be more certain. A proof shows how many there are.
    """
    registered = _registered(evidence)
    if registered is None or stated.source == "proven":
        return
    benchmark_id = stated.benchmark.benchmark_id
    if registered["benchmark"]["benchmark_id"] != benchmark_id:
        return
    before = measured_before(registered)
    if before != stated.measured:
        raise UnprocessableError(
            f"evaluation: {evidence.improved.subject.model_id} is registered with other counts or "
            f"scores on {benchmark_id}: {before.data()}. Leave evaluation out, or prove the counts."
        )


def hide_private(stated: Stated, request: AttestationRequest, evidence: Evidence) -> Evidence:
    """The evidence, which is private where the benchmark is.

    Raises UnprocessableError where the request says that it is not to be private.
    """
    if not stated.benchmark.private or evidence.private:
        return evidence
    if request.private is False:
        raise UnprocessableError(
            f"private is false, but the benchmark {stated.benchmark.benchmark_id} is registered as "
            "private. Leave it out."
        )
    return replace(evidence, private=True)


async def attested_evaluation(
    database: Database, stated: Stated, evidence: Evidence, delta: Mapping[str, Any]
) -> dict[str, Any]:
    """The member `evaluation` of the attestation's data.

    delta: the comparison of the models, as the attestation has it. Raises UnprocessableError where
    the evaluation does not fit the attested metrics, and the errors of `require_predictions` where
    only one of the models has committed its predictions.
    """
    if evidence.baseline is None:
        raise UnprocessableError(
            "An evaluation is of two models: give the baseline as well, by baseline_model_id or "
            "baseline_run_id."
        )
    directions = {
        name: Direction(higher_is_better=one["higher_is_better"], source=one["direction"])
        for name, one in delta.items()
    }
    require_directions(stated.benchmark, directions)
    _require_registered(stated, evidence)
    async with database.transaction() as session:
        committed = await _committed(session, stated, evidence)
    return await evaluation_data(
        stated.benchmark,
        stated.measured,
        evidence.baseline.values,
        evidence.improved.values,
        committed,
        stated.source,
    )


async def _committed(session: AsyncSession, stated: Stated, evidence: Evidence) -> Committed:
    """The commitments of both models, or of none, with which a proof says nothing."""
    assert evidence.baseline is not None
    benchmark, is_proven = stated.benchmark, stated.source == "proven"
    baseline_id = evidence.baseline.subject.model_id
    improved_id = evidence.improved.subject.model_id
    if baseline_id is None or improved_id is None:
        if is_proven:
            raise ProofRefusedError(
                "A proof needs two registered models, since predictions are committed to for such."
            )
        return Committed()
    for model_id in (baseline_id, improved_id):
        found = await find_predictions(session, benchmark.benchmark_id, model_id)
        if is_proven or found is not None:
            return Committed(
                await require_predictions(session, benchmark, baseline_id),
                await require_predictions(session, benchmark, improved_id),
            )
    return Committed()
