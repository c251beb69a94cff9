"""Commitments to predictions: each model has one on each benchmark, which the log dates."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.benchmarks.label_commitments import find_release
from app.control_plane.benchmarks.model_digests import find_digests, require_read
from app.control_plane.benchmarks.models import Benchmark, PredictionCommitment
from app.control_plane.benchmarks.records import make_record
from app.control_plane.benchmarks.schemas import PredictionsRequest
from app.control_plane.benchmarks.service import find_benchmark
from app.control_plane.registry import service as registry
from app.control_plane.registry.models import Model
from app.control_plane.registry.withdrawal import require_not_withdrawn
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.signer import LogSigner
from app.core.errors import (
    CommittedOtherwiseError,
    LabelsReleasedError,
    PermissionDeniedError,
    PredictionsMissingError,
    UnprocessableError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.database.engine import now

# The kind of entry of the log.
COMMITTED = "predictions"


async def commit_predictions(
    session: AsyncSession,
    benchmark_id: str,
    request: PredictionsRequest,
    principal: Principal,
    actor: Actor,
    signer: LogSigner,
    quotas: Quotas,
    *,
    reads_files: bool,
) -> tuple[PredictionCommitment, bool]:
    """Commit to a model's predictions, or return the same commitment of before, and True.

    reads_files: whether the files of models are read, so that a commitment waits for that.

    Raises NotFoundError, PermissionDeniedError for another tenant's model, ModelWithdrawnError,
    UnprocessableError, CommittedOtherwiseError, LabelsReleasedError, FilesPendingError,
    FilesNotWitnessedError, FilesDifferError, and what `Quotas.reserve` raises.
    """
    benchmark = await find_benchmark(session, benchmark_id, principal)
    model = await registry.require_model(session, request.model_id, principal)
    if model.tenant != principal.tenant:
        raise PermissionDeniedError(
            f"The model {model.model_id} belongs to another tenant, which alone can commit to its "
            "predictions."
        )
    require_not_withdrawn(model, "be evaluated")
    if request.commitment == benchmark.label_commitment:
        raise UnprocessableError(
            f"This is the commitment to the labels of {benchmark_id}. Send the one to the model's "
            "predictions."
        )
    if reads_files:
        await require_read(session, model.model_id)
    await signer.ensure_registered(session)
    # What is read from here on cannot change before the entry is in the log.
    tree = await transparency_log.lock(session)
    await session.refresh(model, ["withdrawn_at", "withdrawal_reason"])
    require_not_withdrawn(model, "be evaluated")
    files = await find_digests(session, model.model_id)
    found = await _find_earlier(session, benchmark, model, files, request.commitment)
    if found is not None:
        return found, True
    release = await find_release(session, benchmark.label_commitment)
    if release is not None:
        where = "" if release.benchmark_id == benchmark_id else f" with {release.benchmark_id}"
        raise LabelsReleasedError(
            f"The labels of {benchmark_id} were released{where}, so predictions on it prove "
            "nothing any more. Register a benchmark with labels that nobody has seen."
        )
    await quotas.reserve(session, actor, principal.tenant, {QuotaKind.PREDICTIONS: 1})
    statement: dict[str, Any] = {
        "predictions_id": f"hkp_{secrets.token_urlsafe(16)}",
        "benchmark_id": benchmark_id,
        "model_id": model.model_id,
        "tenant": principal.tenant,
        "commitment": request.commitment,
        "files": files,
        "created_at": now().isoformat(),
    }
    record = make_record(COMMITTED, statement)
    committed = PredictionCommitment(
        **statement | {"created_at": datetime.fromisoformat(statement["created_at"])},
        principal=principal.id,
        private=model.private or benchmark.private,
        weights=files and files["sha256_merkle_v1"],
        record=record.text,
        record_sha256=record.sha256,
        log_index=tree.size,
    )
    session.add(committed)
    await session.flush()
    await transparency_log.append(
        session,
        tree,
        COMMITTED,
        committed.predictions_id,
        benchmark=benchmark_id,
        record_sha256=record.sha256,
    )
    audit.record(
        session,
        actor,
        "predictions.committed",
        committed.predictions_id,
        principal.tenant,
        benchmark_id=benchmark_id,
        model_id=model.model_id,
    )
    return committed, False


async def find_predictions(
    session: AsyncSession, benchmark_id: str, model_id: str | None
) -> PredictionCommitment | None:
    """The commitment to a model's predictions on a benchmark, if there is one."""
    query = select(PredictionCommitment).where(
        PredictionCommitment.benchmark_id == benchmark_id,
        PredictionCommitment.model_id == model_id,
    )
    return await session.scalar(query)


async def require_predictions(
    session: AsyncSession, benchmark: Benchmark, model_id: str
) -> PredictionCommitment:
    """The same, where a later step needs it to have been logged, and for the model as it is now.

    Raises PredictionsMissingError, and CommittedOtherwiseError where the model's files are others.
    """
    found = await find_predictions(session, benchmark.benchmark_id, model_id)
    if found is None:
        raise PredictionsMissingError(
            f"No predictions of {model_id} on {benchmark.benchmark_id} are committed. Send them to "
            f"POST /api/benchmarks/{benchmark.benchmark_id}/predictions first."
        )
    release = await find_release(session, benchmark.label_commitment)
    in_order = benchmark.log_index < found.log_index and (
        release is None or found.log_index < release.log_index
    )
    # The foreign key and the lock on the log see to that; a restored backup might not.
    if not in_order:
        raise PredictionsMissingError(
            f"The predictions of {model_id} were logged in the wrong order: the benchmark's entry "
            "comes first, then the predictions, then the release of the labels."
        )
    if found.files is not None and found.files != await find_digests(session, model_id):
        raise CommittedOtherwiseError(
            f"The predictions of {model_id} were committed for other files than it has now."
        )
    return found


async def _find_earlier(
    session: AsyncSession,
    benchmark: Benchmark,
    model: Model,
    files: dict[str, Any] | None,
    commitment: str,
) -> PredictionCommitment | None:
    """The same commitment of the same model, if it is logged already.

    Raises CommittedOtherwiseError for another commitment of that model, also under another id:
    registering a model anew does not change what it predicted. And for a commitment that another
    model has, from which it was copied.
    """
    on_benchmark = PredictionCommitment.benchmark_id == benchmark.benchmark_id
    is_same_model = [
        Model.model_uri == model.model_uri,
        and_(Model.mlflow_name == model.mlflow_name, Model.mlflow_version == model.mlflow_version),
    ]
    if files is not None and files["sha256_merkle_v1"] is not None:
        is_same_model.append(PredictionCommitment.weights == files["sha256_merkle_v1"])
    of_model = (
        select(PredictionCommitment)
        .join(Model, Model.model_id == PredictionCommitment.model_id)
        .where(on_benchmark, PredictionCommitment.tenant == model.tenant, or_(*is_same_model))
    )
    own = (await session.scalars(of_model.order_by(PredictionCommitment.number))).all()
    of_value = select(PredictionCommitment).where(
        on_benchmark, PredictionCommitment.commitment == commitment
    )
    others = (await session.scalars(of_value.order_by(PredictionCommitment.number))).all()
    for earlier in (*own, *others):
        if earlier.commitment != commitment:
            raise CommittedOtherwiseError(
                f"The predictions of {model.model_id} on {benchmark.benchmark_id} were committed "
                f"before, as those of {earlier.model_id} in entry {earlier.log_index} of the log. "
                "A model has one commitment on a benchmark, also if it is registered anew."
            )
        if earlier not in own:
            raise CommittedOtherwiseError(
                f"Another model has this commitment on {benchmark.benchmark_id}. Commit to the "
                "predictions of each model with a salt of its own."
            )
    return next((one for one in own if one.model_id == model.model_id), None)
