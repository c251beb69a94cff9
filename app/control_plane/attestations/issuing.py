"""Issuing attestations: collecting the evidence, and passing it to the next group."""

from functools import partial
from typing import Any

from app.access.quotas.models import QuotaKind
from app.access.quotas.service import Quotas
from app.control_plane.attestations import storage
from app.control_plane.attestations.attested_data import attested_data
from app.control_plane.attestations.documents import attestation_view, document
from app.control_plane.attestations.evaluated import (
    attested_evaluation,
    find_registered,
    find_requested,
    hide_private,
)
from app.control_plane.attestations.evidence import EvidenceCollector
from app.control_plane.attestations.group import GroupIssuer, Issued, Result
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.pending import PendingAttestation
from app.control_plane.attestations.schemas import AttestationRequest, AttestationView
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.idempotency.service import identify, require_same_request
from app.control_plane.proofs.service import Proofs
from app.control_plane.transparency_log.public_text import require_no_secret
from app.control_plane.transparency_log.signer import LogSigner
from app.core import canonical_json
from app.core.batching import Batcher
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database

# Attestations that one transaction adds: enough to share its cost, and few enough that the gateway
# prepares the next ones while PostgreSQL writes these.
MAX_GROUP = 16


class AttestationIssuer:
    """Issues attestations; one for the process.

    Requests that arrive while a group is being issued are the next group.
    """

    def __init__(
        self,
        database: Database,
        evidence: EvidenceCollector,
        attestor: Attestor,
        signer: LogSigner,
        quotas: Quotas,
        proofs: Proofs,
    ) -> None:
        """quotas: how many attestations a tenant may have issued."""
        self._quotas = quotas
        self._proofs = proofs
        self._database = database
        self._evidence = evidence
        self._attestor = attestor
        self._signer = signer
        self._earlier = Batcher(partial(storage.find_earlier, database.reads), MAX_GROUP)
        group_issuer = GroupIssuer(database, signer, quotas)
        self._groups: Batcher[PendingAttestation, Result] = Batcher(group_issuer.issue, MAX_GROUP)

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
        attested, ProofRefusedError, GatewayBusyError, KeyReusedError, SpentSignatureError,
        QuotaExceededError, TooManyCreationsError, DatabaseUnavailableError and UpstreamError.
        """
        identity = identify(principal.id, "attestations", _identifying(request), idempotency_key)
        earlier = await self._earlier.submit(identity)
        if earlier is not None:
            require_same_request(earlier.request_hash, identity)
            return await self._view(earlier.hash)
        stated = await find_requested(self._database, request, principal, self._proofs)
        if stated is not None:
            request = request.model_copy(update={"primary_metric": stated.benchmark.metric})
        evidence = await self._evidence.collect(principal, request, actor)
        data = attested_data(principal, request, evidence, self._attestor.address)
        stated = stated or await find_registered(self._database, request, evidence, principal)
        if stated is not None:
            evidence = hide_private(stated, request, evidence)
            data["evaluation"] = await attested_evaluation(
                self._database, stated, evidence, data["delta"]
            )
        await self._quotas.count_creation(actor, QuotaKind.ATTESTATIONS)
        proven = None
        if request.proof is not None:
            chain_id = self._attestor.chain.id
            proven = canonical_json.canonicalize(
                await self._proofs.require(principal.tenant, request.proof, data, chain_id)
            )
            data["proof_sha256"] = canonical_json.digest(proven)
        text = canonical_json.canonicalize(data)
        require_no_secret(text)
        result = await self._groups.submit(
            PendingAttestation.of(
                self._attestor, identity, principal, actor, evidence, data, text, proof, proven
            )
        )
        if not isinstance(result, Issued):
            raise result
        if result.inclusion is None:
            return await self._view(result.row.hash)
        return document(result.row, result.inclusion)

    async def _view(self, digest: str) -> AttestationView:
        async with self._database.transaction() as session:
            row = await session.get_one(Attestation, digest)
            return await attestation_view(session, row, self._signer)


def _identifying(request: AttestationRequest) -> dict[str, Any]:
    """What identifies a request: of a proof not its points, which anybody can change."""
    found = request.model_dump(mode="json")
    if found["proof"] is not None:
        del found["proof"]["proof"]
    return found
