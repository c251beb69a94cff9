"""Registering benchmarks, and the release of their labels. Each is an entry of the log."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.identity import replay_guard
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.benchmarks.label_commitments import require_usable
from app.control_plane.benchmarks.models import Benchmark, LabelRelease
from app.control_plane.benchmarks.records import Record, make_record
from app.control_plane.benchmarks.schemas import BenchmarkRequest, GuardrailRequest
from app.control_plane.idempotency.service import (
    RequestIdentity,
    identify,
    require_same_request,
)
from app.control_plane.registry.metric_direction import direction_of, said_directions
from app.control_plane.registry.metric_family import is_share
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.signer import LogSigner
from app.core.errors import NotFoundError, PermissionDeniedError, UnprocessableError
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database, now

# Kinds of entries of the log.
REGISTERED = "benchmark"
RELEASED = "labels_released"


class BenchmarkRegistry:
    """Registers benchmarks, each once; one for the process."""

    def __init__(self, database: Database, signer: LogSigner, quotas: Quotas) -> None:
        """quotas: how many benchmarks a tenant may have."""
        self._database = database
        self._signer = signer
        self._quotas = quotas

    async def register(
        self,
        principal: Principal,
        request: BenchmarkRequest,
        actor: Actor,
        idempotency_key: str | None = None,
        proof: WalletProof | None = None,
    ) -> tuple[Benchmark, bool]:
        """Register a benchmark, or return the one that the same request got before.

        proof: the wallet's message that authorises the request, if it has one; it is used up when
        a benchmark is registered. Returns the benchmark, and whether it is a repetition's.

        Raises UnprocessableError, KeyReusedError, SpentSignatureError, QuotaExceededError,
        TooManyCreationsError, what `require_usable` raises, and DatabaseUnavailableError.
        """
        identity = identify(
            principal.id, "benchmarks", request.model_dump(mode="json"), idempotency_key
        )
        async with self._database.transaction() as session:
            found = await _find_registered(session, identity)
        if found is not None:
            return found, True
        statement = _statement(principal, request, now())
        record = make_record(REGISTERED, statement)
        async with self._database.transaction() as session:
            await self._signer.ensure_registered(session)
            proofs = [] if proof is None else [proof]
            # Before the lock: the message may be in use by a request that waits for the lock.
            unused = await replay_guard.consume_each(session, proofs)
            tree = await transparency_log.lock(session)
            # The same request may have been registered while this one waited for the lock.
            found = await _find_registered(session, identity)
            if found is not None:
                await replay_guard.give_back(session, proofs if all(unused) else [])
                return found, True
            if not all(unused):
                raise replay_guard.spent()
            await require_usable(session, request.label_commitment, principal.tenant)
            amounts = {QuotaKind.BENCHMARKS: 1}
            await self._quotas.reserve(session, actor, principal.tenant, amounts)
            benchmark = _benchmark(statement, principal, identity, record, tree.size)
            session.add(benchmark)
            await session.flush()
            await transparency_log.append(
                session, tree, REGISTERED, benchmark.benchmark_id, record_sha256=record.sha256
            )
            audit.record(
                session,
                actor,
                "benchmark.registered",
                benchmark.benchmark_id,
                principal.tenant,
                name=benchmark.name,
            )
        return benchmark, False


async def find_benchmark(
    session: AsyncSession, benchmark_id: str, principal: Principal
) -> Benchmark:
    """A benchmark. Raises NotFoundError where there is none that the principal may see."""
    query = select(Benchmark).where(Benchmark.benchmark_id == benchmark_id, is_visible(principal))
    benchmark = await session.scalar(query)
    if benchmark is None:
        raise NotFoundError(f"There is no benchmark {benchmark_id}.")
    return benchmark


def is_visible(principal: Principal) -> ColumnElement[bool]:
    """SQL: whether a principal may see a benchmark: a private one only that of its own tenant."""
    return or_(~Benchmark.private, Benchmark.tenant == principal.tenant)


async def release_labels(
    session: AsyncSession,
    benchmark_id: str,
    principal: Principal,
    actor: Actor,
    signer: LogSigner,
) -> LabelRelease:
    """Note in the log that the labels leave their holder; a second time changes nothing.

    Raises NotFoundError, and PermissionDeniedError for another tenant's benchmark.
    """
    benchmark = await find_benchmark(session, benchmark_id, principal)
    if benchmark.tenant != principal.tenant:
        raise PermissionDeniedError(
            "Only the tenant that registered a benchmark can release its labels."
        )
    await signer.ensure_registered(session)
    tree = await transparency_log.lock(session)
    released = await session.get(LabelRelease, benchmark_id)
    if released is None:
        released = LabelRelease(
            benchmark_id=benchmark_id, principal=principal.id, log_index=tree.size, at=now()
        )
        session.add(released)
        await transparency_log.append(session, tree, RELEASED, benchmark_id)
        audit.record(session, actor, "benchmark.labels_released", benchmark_id, principal.tenant)
        await session.flush()
    return released


async def _find_registered(session: AsyncSession, identity: RequestIdentity) -> Benchmark | None:
    """The benchmark that the same request got before. Raises KeyReusedError."""
    query = select(Benchmark).where(
        Benchmark.principal == identity.principal, Benchmark.request_key == identity.key
    )
    benchmark = await session.scalar(query)
    if benchmark is not None:
        require_same_request(benchmark.request_hash, identity)
    return benchmark


def _statement(principal: Principal, request: BenchmarkRequest, at: datetime) -> dict[str, Any]:
    """What a benchmark states, by the names of its columns. Raises UnprocessableError."""
    higher_is_better = _direction(request.metric, request.higher_is_better)
    _require_family(request)
    return {
        "benchmark_id": f"hkb_{secrets.token_urlsafe(16)}",
        "tenant": principal.tenant,
        "name": request.name,
        "dataset_hash": request.dataset_hash,
        "dataset_version": request.dataset_version,
        "split": request.split,
        "rows": request.rows,
        "metric": request.metric,
        "metric_family": request.metric_family,
        "higher_is_better": higher_is_better,
        "guardrails": [_guardrail(one) for one in request.guardrails],
        "min_examples": request.rows if request.min_examples is None else request.min_examples,
        "label_commitment": request.label_commitment,
        "label_holder": request.label_holder or principal.tenant,
        "private": request.private,
        "created_at": at.isoformat(),
    }


def _require_family(request: BenchmarkRequest) -> None:
    """Raises UnprocessableError where a metric is known not to be of the family."""
    is_known = is_share(request.metric)
    if request.metric_family == "proportion" and is_known is False:
        raise UnprocessableError(
            f"{request.metric} is not a share of rows (successes divided by the rows that were "
            "evaluated), so a test of two proportions cannot judge it. Choose a metric such as "
            "accuracy, recall or error_rate, or give a share of your own another name. If it is "
            "the mean of a score of each row, choose the metric_family continuous."
        )
    if request.metric_family != "proportion" and is_known:
        raise UnprocessableError(
            f"{request.metric} is a share of rows, so a test of two proportions judges it: leave "
            "metric_family out."
        )


def _guardrail(request: GuardrailRequest) -> dict[str, Any]:
    return {
        "metric": request.metric,
        "higher_is_better": _direction(request.metric, request.higher_is_better),
        "max_worsening": request.max_worsening,
    }


def _direction(metric: str, said: bool | None) -> bool:
    """Whether a higher value is better. Raises UnprocessableError where nothing tells."""
    if said is not None:
        return said_directions({metric: said})[metric].higher_is_better
    by_name = direction_of(metric)
    if by_name.source != "known":
        raise UnprocessableError(
            f"The name {metric!r} does not tell whether a higher value is better: say it with "
            "higher_is_better."
        )
    return by_name.higher_is_better


def _benchmark(
    statement: dict[str, Any],
    principal: Principal,
    identity: RequestIdentity,
    record: Record,
    index: int,
) -> Benchmark:
    return Benchmark(
        **statement | {"created_at": datetime.fromisoformat(statement["created_at"])},
        principal=principal.id,
        request_key=identity.key,
        request_hash=identity.request_hash,
        record=record.text,
        record_sha256=record.sha256,
        log_index=index,
    )
