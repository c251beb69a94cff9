"""Issuing attestations: collecting the evidence, signing it, and adding it to the log."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.identity.replay_guard import consume
from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.attestations import eas, eip712
from app.control_plane.attestations.attested_data import attested_data
from app.control_plane.attestations.documents import attestation_view
from app.control_plane.attestations.evaluated import (
    attested_evaluation,
    find_registered,
    find_requested,
    hide_private,
)
from app.control_plane.attestations.evidence import EvidenceCollector
from app.control_plane.attestations.models import Attestation, AttestedContributor
from app.control_plane.attestations.public_text import require_no_secret
from app.control_plane.attestations.schemas import AttestationRequest, AttestationView
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.contributors.totals import count_attestation
from app.control_plane.idempotency.service import (
    RequestIdentity,
    identify,
    require_same_request,
)
from app.control_plane.registry.observations import record_observation
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.signer import LogSigner
from app.core import canonical_json
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database, now


class AttestationIssuer:
    """Issues attestations; one for the process."""

    def __init__(
        self,
        database: Database,
        evidence: EvidenceCollector,
        attestor: Attestor,
        signer: LogSigner,
        quotas: Quotas,
    ) -> None:
        """quotas: how many attestations a tenant may have issued."""
        self._quotas = quotas
        self._database = database
        self._evidence = evidence
        self._attestor = attestor
        self._signer = signer

    async def issue(
        self,
        principal: Principal,
        request: AttestationRequest,
        actor: Actor,
        idempotency_key: str | None = None,
        proof: WalletProof | None = None,
    ) -> AttestationView:
        """Issue an attestation, or return the one that the same request got before.

        proof: the wallet's message that authorises the request, if it has one; it is used up when
        an attestation is issued.

        Raises the errors of `EvidenceCollector.collect` and UnprocessableError for what cannot be
        attested, KeyReusedError, SpentSignatureError, QuotaExceededError, TooManyCreationsError,
        DatabaseUnavailableError and UpstreamError.
        """
        identity = identify(
            principal.id, "attestations", request.model_dump(mode="json"), idempotency_key
        )
        async with self._database.transaction() as session:
            row = await _find_issued(session, identity)
            if row is not None:
                return await attestation_view(session, row, self._signer)
            stated = await find_requested(session, request, principal)
        if stated is not None:
            request = request.model_copy(update={"primary_metric": stated.benchmark.metric})
        evidence = await self._evidence.collect(principal, request, actor)
        attestor = self._attestor
        data = attested_data(principal, request, evidence, attestor.address)
        async with self._database.transaction() as session:
            stated = stated or await find_registered(session, request, evidence, principal)
            if stated is not None:
                evidence = hide_private(stated, request, evidence)
                data["evaluation"] = await attested_evaluation(
                    session, stated, evidence, data["delta"]
                )
        text = canonical_json.canonicalize(data)
        require_no_secret(text)
        async with self._database.transaction() as session:
            await self._signer.ensure_registered(session)
            index = await transparency_log.lock(session)
            # The same request may have been issued while this one waited for the lock.
            row = await _find_issued(session, identity)
            if row is None:
                if proof is not None:
                    await consume(session, proof)
                await self._quotas.reserve(
                    session, actor, principal.tenant, {QuotaKind.ATTESTATIONS: 1}
                )
                row = _signed(attestor, index, text, data)
                row.tenant, row.principal = principal.tenant, principal.id
                row.private = evidence.private
                row.request_key, row.request_hash = identity.key, identity.request_hash
                session.add(row)
                for one in evidence.observations:
                    record_observation(
                        session,
                        actor,
                        principal.tenant,
                        one.model_id,
                        one.run_id,
                        one.metrics,
                        one.at,
                    )
                await session.flush()
                await _name_contributors(session, row)
                await transparency_log.append(
                    session, index, transparency_log.ATTESTED, row.hash, signer=attestor.address
                )
                audit.record(
                    session, actor, "attestation.issued", row.hash, principal.tenant, kind=row.kind
                )
        # In a transaction of its own, so that the lock on the log is not held for longer.
        async with self._database.transaction() as session:
            return await attestation_view(session, row, self._signer)


async def _name_contributors(session: AsyncSession, row: Attestation) -> None:
    session.add_all(
        AttestedContributor(address=address, number=row.number) for address in row.contributors
    )
    audience = row.tenant if row.private else ""
    await count_attestation(session, audience, row.contributors)


async def _find_issued(session: AsyncSession, identity: RequestIdentity) -> Attestation | None:
    """The attestation that the same request got before. Raises KeyReusedError."""
    query = select(Attestation).where(
        Attestation.principal == identity.principal, Attestation.request_key == identity.key
    )
    row = (await session.scalars(query)).first()
    if row is not None:
        require_same_request(row.request_hash, identity)
    return row


def _signed(attestor: Attestor, index: int, text: str, data: Mapping[str, Any]) -> Attestation:
    """The row of a new attestation, without its owner and request. index: of its log entry."""
    digest, issued_at = canonical_json.digest(text), now()
    typed_data = eip712.attestation(attestor.domain, digest, data["kind"], issued_at, nonce=index)
    addresses = [share["address"] for share in data["contributors"]]
    recipient = addresses[0] if addresses else None
    return Attestation(
        hash=digest,
        text=text,
        kind=data["kind"],
        model_id=data["model_id"],
        run_id=data["run_id"],
        contributors=sorted(set(addresses)),
        signature={
            "signer": attestor.address,
            "signature": attestor.sign(typed_data),
            **typed_data.as_dict(),
        },
        eas=eas.envelope(attestor, digest, data["kind"], issued_at, recipient),
        created_at=issued_at,
    )
