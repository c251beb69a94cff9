"""Issuing a group of attestations: one transaction, and one signature of the log for all of them.

What is wrong with one of them, such as a quota that is used up, is the result of that one alone.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.audit.service import Change
from app.access.identity import replay_guard
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.attestations import storage
from app.control_plane.attestations.documents import Inclusion
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.pending import PendingAttestation
from app.control_plane.contributors.totals import attestation_counts
from app.control_plane.idempotency.service import require_same_request
from app.control_plane.registry.observations import record_observation
from app.control_plane.registry.withdrawal import find_withdrawn, require_not_withdrawn
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.checkpoint import Checkpoint
from app.control_plane.transparency_log.merkle import Growth
from app.control_plane.transparency_log.models import LogEntry
from app.control_plane.transparency_log.service import NewEntry
from app.control_plane.transparency_log.signer import LogSigner
from app.core.errors import (
    DatabaseUnavailableError,
    GatewayError,
    KeyReusedError,
    ModelWithdrawnError,
)
from app.database import direct
from app.database.engine import Database

# What makes a repetition of a request the same one: its principal and key.
Request = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Issued:
    """An attestation, and its entry in the log; None where the request had got it before."""

    row: Attestation
    inclusion: Inclusion | None = None


Result = Issued | Exception


class GroupIssuer:
    """Issues groups of attestations; one for the process."""

    def __init__(self, database: Database, signer: LogSigner, quotas: Quotas) -> None:
        self._database = database
        self._signer = signer
        self._quotas = quotas

    async def issue(self, group: Sequence[PendingAttestation]) -> Sequence[Result]:
        """Issue the attestations; in their order, each or why it was not issued.

        Raises DatabaseUnavailableError for all of them; a repetition is safe.
        """
        try:
            return await self._issue(group)
        except DatabaseUnavailableError:
            raise
        except Exception as error:
            if len(group) == 1:
                return [error]
        # Each alone, so that what is wrong with one of them does not fail the others.
        return [result for one in group for result in await self.issue([one])]

    async def _issue(self, group: Sequence[PendingAttestation]) -> Sequence[Result]:
        new: dict[Request, PendingAttestation] = {}
        for one in group:
            new.setdefault(one.request, one)
        async with self._database.transaction() as session:
            await self._signer.ensure_registered(session)
            # Before the lock: a message may be in use by a request that waits for the lock itself.
            spent = await _consume(session, list(new.values()))
            tree = await transparency_log.lock(session)
            # The same request may have been issued while this group waited for the lock.
            issued = await storage.find_issued(session, [one.identity for one in group])
            others = [one for request, one in new.items() if request not in issued]
            refused = await self._refuse(session, others, spent)
            accepted = [one for one in others if one.request not in refused]
            unchanged = new.keys() - {one.request for one in accepted} - spent
            await _give_back(session, [new[request] for request in unchanged])
            rows = [one.signed(index) for index, one in enumerate(accepted, tree.size)]
            entries = await self._add(session, tree, accepted, rows) if rows else ()
        # After the commit: nothing is signed of a tree that does not become the log's.
        inclusions = self._inclusions(tree, entries) if entries else []
        done: dict[Request, Result] = {
            **{request: Issued(row) for request, row in issued.items()},
            **refused,
            **{
                one.request: Issued(row, inclusion)
                for one, row, inclusion in zip(accepted, rows, inclusions, strict=True)
            },
        }
        return [_result(one, done[one.request]) for one in group]

    async def _refuse(
        self, session: AsyncSession, new: Sequence[PendingAttestation], spent: Collection[Request]
    ) -> dict[Request, GatewayError]:
        """Those that must not be issued, with the reason. What the others need is used up.

        spent: the requests whose message had authorised another change.
        """
        kind = QuotaKind.ATTESTATIONS
        refused: dict[Request, GatewayError] = {}
        errors = await self._quotas.reserve_each(session, kind, [one.tenant for one in new])
        for one, error in zip(new, errors, strict=True):
            if error is not None:
                refused[one.request] = error
        also: dict[Request, GatewayError] = {
            one.request: replay_guard.spent() for one in new if one.request in spent
        }
        also |= await _withdrawn(session, new)
        counted = [one.tenant for one in new if one.request in also.keys() - refused.keys()]
        if counted:
            await self._quotas.release(session, kind, Counter(counted))
        return also | refused

    async def _add(
        self,
        session: AsyncSession,
        tree: Growth,
        pending: Sequence[PendingAttestation],
        rows: Sequence[Attestation],
    ) -> Sequence[LogEntry]:
        """Add the rows, their entries, and what else is recorded with them."""
        for one in pending:
            for seen in one.observations:
                record_observation(
                    session,
                    one.actor,
                    one.tenant,
                    seen.model_id,
                    seen.run_id,
                    seen.metrics,
                    seen.at,
                )
        audiences = [row.tenant if row.private else "" for row in rows]
        counts = Counter(
            (audience, address)
            for audience, row in zip(audiences, rows, strict=True)
            for address in row.contributors
        )
        changes = [
            Change(one.actor, "attestation.issued", row.hash, one.tenant, {"kind": row.kind})
            for one, row in zip(pending, rows, strict=True)
        ]
        entries = [
            NewEntry(transparency_log.ATTESTED, row.hash, {"signer": one.attestor.address})
            for one, row in zip(pending, rows, strict=True)
        ]
        appended = transparency_log.prepare(tree, entries)
        await direct.run_all(
            session,
            [
                *storage.additions(rows),
                *attestation_counts(counts),
                *audit.records(changes),
                *appended.writes,
            ],
        )
        return appended.entries

    def _inclusions(self, tree: Growth, entries: Sequence[LogEntry]) -> list[Inclusion]:
        note = self._signer.sign(Checkpoint(self._signer.verifier.name, tree.size, tree.root()))
        return [
            Inclusion(entry, tree.size, tree.inclusion_proof(entry.index), note)
            for entry in entries
        ]


async def _consume(
    session: AsyncSession, pending: Sequence[PendingAttestation]
) -> frozenset[Request]:
    """Use up the messages of wallets. Returns the requests whose message was used up before."""
    signed = [one for one in pending if one.proof is not None]
    proofs = [one.proof for one in signed if one.proof is not None]
    unused = await replay_guard.consume_each(session, proofs)
    return frozenset(
        one.request for one, is_unused in zip(signed, unused, strict=True) if not is_unused
    )


async def _withdrawn(
    session: AsyncSession, pending: Sequence[PendingAttestation]
) -> dict[Request, GatewayError]:
    """Those of a model that was withdrawn since its evidence was collected, with the reason."""
    model_ids = {model_id for one in pending for model_id in one.model_ids}
    withdrawn = await find_withdrawn(session, model_ids)
    found: dict[Request, GatewayError] = {}
    for one in pending:
        for model_id in one.model_ids:
            try:
                if model_id in withdrawn:
                    require_not_withdrawn(withdrawn[model_id], "be attested")
            except ModelWithdrawnError as error:
                found[one.request] = error
    return found


async def _give_back(session: AsyncSession, pending: Sequence[PendingAttestation]) -> None:
    """Give the messages back that `_consume` has used up, of requests that changed nothing."""
    proofs = [one.proof for one in pending if one.proof is not None]
    await replay_guard.give_back(session, proofs)


def _result(pending: PendingAttestation, result: Result) -> Result:
    """The result for one of possibly several requests with the same key."""
    if isinstance(result, Issued):
        try:
            require_same_request(result.row.request_hash, pending.identity)
        except KeyReusedError as error:
            return error
    return result
