"""Signing mint requests: only for what the operator and the token's holder agreed to, and once."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData, Types
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.minting import mint_request as messages
from app.control_plane.minting.attestor_registry import AttestorRegistry
from app.control_plane.minting.authorization import AuthorizedMint, authorize
from app.control_plane.minting.claim import claim, same_candidate
from app.control_plane.minting.lookup import find_mint_request
from app.control_plane.minting.mint_conditions import MintConditions
from app.control_plane.minting.mint_request import Cost, build_mint_request, idempotency_key
from app.control_plane.minting.model_heads import ModelHeads
from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.platform_message import platform_message
from app.control_plane.minting.schemas import MintRequestBody, MintRequestView
from app.control_plane.minting.signer_set import MAX_SIGNATURES, SignerSet
from app.control_plane.minting.signers import Signers
from app.core.canonical_json import parse
from app.core.errors import (
    ConflictError,
    IncompleteMintRequestError,
    NotMintableError,
    PermissionDeniedError,
    UnprocessableError,
)
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import WalletProof
from app.database.engine import Database, now
from app.rest.dependencies import ChangeTransaction

# How long the contract accepts a mint request.
LIFETIME = timedelta(days=1)


class MintRequests:
    """Signs mint requests, and takes the signatures of further attestors; one for the process.

    signers: whose signatures count. registry, heads, conditions: the chain, if there is a node.
    budget: what an
    evaluation may cost, in millionths of a US dollar; 0: not known.
    """

    def __init__(
        self,
        database: Database,
        changes: ChangeTransaction,
        attestor: Attestor,
        signers: Signers,
        registry: AttestorRegistry,
        heads: ModelHeads,
        conditions: MintConditions,
        budget: int,
    ) -> None:
        self.signers = signers
        self._database = database
        self._changes = changes
        self._attestor = attestor
        self._registry = registry
        self._heads = heads
        self._conditions = conditions
        self._budget = budget
        chain = attestor.chain
        self._domain = eip712.domain(messages.NAME, messages.VERSION, chain.id, chain.contract)

    async def sign(
        self,
        digest: str,
        principal: Principal,
        actor: Actor,
        body: MintRequestBody,
        proof: WalletProof | None,
    ) -> MintRequestView:
        """The signed mint request of the improvement that an attestation states.

        Until its deadline every request for the same improvement gets the same one, whichever of
        its attestations it names. proof: the wallet's message that authorises the request, if it
        has one.

        Raises NotFoundError, PermissionDeniedError for another tenant's attestation,
        UnprocessableError for a cost above the budget, ApprovalMissingError, NotMintableError and
        its kinds, ChainUnavailableError, and AttestorsDisagreeError.
        """
        self._require_within_budget(body.actual_cost_usd_micro)
        compared, signers = await self._compare_with_chain(digest, principal, body)
        async with self._changes(proof) as session:
            mint = await self._authorize(session, digest, principal, body)
            row = await claim(session, mint, self._domain)
            cost = Cost(self._budget, _actual_cost(body, row))
            request = self._request(mint, row.idempotency_key, mint.attestation, cost)
            if not self._is_in_force(row):
                self._require_within_budget(cost.actual)
                if self._heads.are_known and compared != _place(mint):
                    raise ConflictError("The improvement was changed at the same time. Try again.")
                await self._sign(session, row, mint, request, actor)
            elif await find_revocation(session, row.attestation) is not None:
                raise NotMintableError(
                    f"The mint request that was signed for this improvement names the attestation "
                    f"{row.attestation}, which was revoked. A new one can be signed after the "
                    f"deadline of that one, {row.deadline.isoformat()}."
                )
            elif _substance(row.typed_data["message"]) != _substance(_message(request)):
                raise NotMintableError(
                    f"A mint request with other contributors or values was signed for this run, "
                    f"as the improvement {row.model_id}, and a contract accepts it until its "
                    f"deadline, {row.deadline.isoformat()}. A new one can be signed after that."
                )
            elif signers.counts(self._attestor.address) and not _has_signed(
                row, self._attestor.address
            ):
                # One that a former key of the gateway signed gets the signature of this one.
                signature = self._attestor.sign(_typed_data(row))
                await _add(session, row, self._attestor.address, signature, signers, actor)
            return self._view(row, signers)

    async def attach(
        self, number: int, text: str, principal: Principal, actor: Actor, proof: WalletProof | None
    ) -> MintRequestView:
        """Add the signature of a further attestor; that of one who has signed changes nothing.

        number: of the mint request. text: the signature, r, s and v in hexadecimal. proof: as for
        `sign`.

        Raises NotFoundError, ChainUnavailableError, UnprocessableError and UnknownSignerError as
        `SignerSet.verify` does, and, where the mint is no longer agreed to, what `authorize`
        raises.
        """
        signers = await SignerSet.read(self.signers, self._registry)
        async with self._changes(proof) as session:
            row = await find_mint_request(session, number, principal, self.signers, lock=True)
            self._require_in_force(row)
            signer, signature = signers.verify(bytes.fromhex(row.digest[2:]), text)
            if not _has_signed(row, signer):
                if len(signers.counted(row.signatures)) >= MAX_SIGNATURES:
                    raise ConflictError(
                        f"It has {MAX_SIGNATURES} signatures, the most that are taken."
                    )
                await _require_agreed(session, row)
                await _add(session, row, signer, signature, signers, actor)
            return self._view(row, signers)

    async def show(self, number: int, principal: Principal) -> MintRequestView:
        """A mint request, also while the node does not respond. Raises NotFoundError."""
        signers = await self.find_signers()
        async with self._database.transaction() as session:
            row = await find_mint_request(session, number, principal, self.signers)
            return self._view(row, signers)

    async def message(self, number: int, principal: Principal) -> dict[str, Any]:
        """A complete mint request as `platform_message` writes it.

        Raises NotFoundError, ChainUnavailableError, AttestorsDisagreeError,
        IncompleteMintRequestError, ContractRefusesError, and, where the mint is no longer agreed
        to, what `authorize` raises.
        """
        signers = await SignerSet.read(self.signers, self._registry)
        async with self._database.transaction() as session:
            row = await find_mint_request(session, number, principal, self.signers)
            self._require_in_force(row)
            attestation = await _require_agreed(session, row)
            signers.require_agreement()
            counted = signers.counted(row.signatures)
            if not signers.is_complete(counted):
                raise IncompleteMintRequestError(
                    f"This mint request needs {signers.required} signatures, and has "
                    f"{len(counted)} that count. A further attestor signs its typed_data, and "
                    f"sends the signature to POST /api/mint-requests/{number}/signatures."
                )
            message = platform_message(row, counted, parse(attestation.text))
            payload = row.typed_data["message"]["payload"]
        await self._conditions.require(int(row.chain_model_id), payload)
        return message

    async def find_signers(self) -> SignerSet:
        """Whose signatures count, as far as is known: for what is only shown."""
        return await SignerSet.find(self.signers, self._registry)

    def _view(self, row: MintRequest, signers: SignerSet) -> MintRequestView:
        """A mint request as responses show it."""
        return MintRequestView.of(row, signers, is_of_contract=self._is_of_contract(row))

    def _require_in_force(self, row: MintRequest) -> None:
        if row.deadline <= now():
            raise NotMintableError(
                "No contract accepts this mint request after its deadline. Request it anew, and "
                "sign the new one."
            )
        if not self._is_of_contract(row):
            domain = row.typed_data["domain"]
            raise NotMintableError(
                f"This mint request is for the contract {domain['verifyingContract']} on chain "
                f"{domain['chainId']}, which is not the one of the settings any more. Request it "
                "anew, and sign the new one."
            )

    def _require_within_budget(self, actual: int | None) -> None:
        if actual is not None and actual > self._budget:
            raise UnprocessableError(
                f"actual_cost_usd_micro is {actual}, as it is stated now or was before, above the "
                f"{self._budget} that the operator allows for an evaluation "
                "(HOKUSAI_EVALUATION_BUDGET; 0: no cost can be stated)."
            )

    async def _compare_with_chain(
        self, digest: str, principal: Principal, body: MintRequestBody
    ) -> tuple[tuple[str, str] | None, SignerSet]:
        """Compare baseline and attestors with the chain, unless nothing new would be signed.

        Returns the baseline that was compared, as `_place`, and whose signatures count. In no
        transaction: the node may take seconds.
        """
        if not self._heads.are_known:
            return None, await self.find_signers()
        async with self._database.transaction() as session:
            mint = await self._authorize(session, digest, principal, body)
            rows = (await session.scalars(same_candidate(mint))).all()
            is_new = not any(map(self._is_in_force, rows))
        if not is_new:
            return None, await self.find_signers()
        signers = await SignerSet.read(self.signers, self._registry)
        signers.require_agreement()
        await self._heads.require(
            int(mint.chain_model_id), mint.evidence.baseline, mint.evidence.candidate
        )
        key = idempotency_key(int(mint.chain_model_id), mint.attestation)
        # An improvement that was signed before keeps its key.
        key = rows[0].idempotency_key if rows else key
        request = self._request(mint, key, mint.attestation, Cost(self._budget, 0))
        await self._conditions.require(int(mint.chain_model_id), request.message["payload"])
        return _place(mint), signers

    async def _authorize(
        self, session: AsyncSession, digest: str, principal: Principal, body: MintRequestBody
    ) -> AuthorizedMint:
        attestation = await find_attestation(session, digest, principal)
        if attestation.tenant != principal.tenant:
            raise PermissionDeniedError(
                "Only the tenant that requested an attestation can request the mint of its "
                "improvement."
            )
        return await authorize(session, attestation, body.chain_model_id)

    def _request(self, mint: AuthorizedMint, key: str, attestation: str, cost: Cost) -> TypedData:
        return build_mint_request(
            self._domain,
            attestation,
            mint.data,
            mint.evidence,
            int(mint.chain_model_id),
            key,
            cost,
            now() + LIFETIME,
        )

    def _is_in_force(self, row: MintRequest) -> bool:
        """Whether a contract accepts what was signed."""
        return bool(row.signatures) and row.deadline > now() and self._is_of_contract(row)

    def _is_of_contract(self, row: MintRequest) -> bool:
        """Whether it is for the contract of the settings."""
        return bool(row.typed_data["domain"] == self._domain)

    async def _sign(
        self,
        session: AsyncSession,
        row: MintRequest,
        mint: AuthorizedMint,
        request: TypedData,
        actor: Actor,
    ) -> None:
        """Sign a request, in place of one that no contract accepts any more.

        If that one said the same, the attestation that it names is named again: from that one the
        idempotency key follows.
        """
        said, anchors = row.typed_data.get("message"), request.message["payload"]["anchors"]
        is_same = said is not None and _substance(said) == _substance(_message(request))
        attestation = mint.attestation
        if is_same and await find_revocation(session, row.attestation) is None:
            attestation = row.attestation
            anchors["attestationHash"] = f"0x{attestation}"
        improvement = mint.improvement
        row.model_id, row.attestation = improvement.model.model_id, attestation
        row.symbol = improvement.token.symbol
        row.typed_data = request.as_dict() | {"message": _message(request)}
        row.digest = f"0x{request.digest().hex()}"
        row.signatures = [
            {"signer": self._attestor.address, "signature": self._attestor.sign(request)}
        ]
        row.signed_at = now()
        row.deadline = datetime.fromtimestamp(request.message["payload"]["deadline"], UTC)
        audit.record(
            session,
            actor,
            "mint_request.signed",
            attestation,
            improvement.model.tenant,
            token_id=improvement.token.symbol,
            holder=improvement.token.tenant,
            approvals=[] if mint.approvals is None else mint.approvals.ids,
            model_id=improvement.model.model_id,
            baseline_model_id=improvement.model.baseline_model_id,
            chain_id=self._domain["chainId"],
            contract=self._domain["verifyingContract"],
            signer=self._attestor.address,
            digest=row.digest,
            message=row.typed_data["message"],
        )
        await session.flush()


async def _require_agreed(session: AsyncSession, row: MintRequest) -> Attestation:
    """The attestation that a mint request names; everything that it rests on is checked again."""
    attestation = await session.get_one(Attestation, row.attestation)
    await authorize(session, attestation, row.chain_model_id)
    return attestation


async def _add(
    session: AsyncSession,
    row: MintRequest,
    signer: str,
    signature: str,
    signers: SignerSet,
    actor: Actor,
) -> None:
    """Add a signature, unless its signer has signed."""
    if _has_signed(row, signer):
        return
    row.signatures = [*row.signatures, {"signer": signer, "signature": signature}]
    audit.record(
        session,
        actor,
        "mint_request.signature_added",
        row.attestation,
        row.tenant,
        digest=row.digest,
        signer=signer,
        signatures=len(signers.counted(row.signatures)),
        required=signers.required,
    )
    await session.flush()


def _place(mint: AuthorizedMint) -> tuple[str, str]:
    """The place in a model's lineage on the chain: its number, and the baseline's weights."""
    return mint.chain_model_id, mint.evidence.baseline


def _actual_cost(body: MintRequestBody, row: MintRequest) -> int:
    """What the caller states, or has stated before; 0: not known."""
    if body.actual_cost_usd_micro is not None:
        return body.actual_cost_usd_micro
    if not row.signatures:
        return 0
    before: int = row.typed_data["message"]["payload"]["actualCostUsdMicro"]
    return before


def _message(request: TypedData) -> dict[str, Any]:
    """The message as responses show it: JavaScript would round a number of 256 bits."""
    return request.message | {"modelId": str(request.message["modelId"])}


def _typed_data(row: MintRequest) -> TypedData:
    """What was signed."""
    message = row.typed_data["message"]
    return TypedData(
        domain=row.typed_data["domain"],
        types=Types(row.typed_data["types"]),
        primary_type=row.typed_data["primaryType"],
        message=message | {"modelId": int(message["modelId"])},
    )


def _has_signed(row: MintRequest, address: str) -> bool:
    return any(one["signer"] == address for one in row.signatures)


def _substance(message: Mapping[str, Any]) -> Any:
    """A message without what differs between two requests for the same mint."""
    payload = dict(message["payload"])
    anchors = {
        name: value for name, value in payload["anchors"].items() if name != "attestationHash"
    }
    del payload["deadline"], payload["maxCostUsdMicro"]
    return dict(message) | {"payload": payload | {"anchors": anchors}}
