"""Signing mint requests: only for what the operator and the token's holder agreed to, and once."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData
from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.minting import mint_request as messages
from app.control_plane.minting.authorization import AuthorizedMint, authorize
from app.control_plane.minting.lookup import find_mint_request
from app.control_plane.minting.mint_request import Cost, build_mint_request, idempotency_key
from app.control_plane.minting.model_heads import ModelHeads
from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.schemas import MintRequestBody, MintRequestView
from app.control_plane.minting.signers import MAX_SIGNATURES, Signers, ordered
from app.core.errors import (
    ConflictError,
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

    signers: the further attestors. heads: the chain, if there is a node. budget: what an evaluation
    may cost, in millionths of a US dollar; 0: not known.
    """

    def __init__(
        self,
        database: Database,
        changes: ChangeTransaction,
        attestor: Attestor,
        signers: Signers,
        heads: ModelHeads,
        budget: int,
    ) -> None:
        self.signers = signers
        self._database = database
        self._changes = changes
        self._attestor = attestor
        self._heads = heads
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
        its kinds, and ChainUnavailableError.
        """
        self._require_within_budget(body.actual_cost_usd_micro)
        checked = await self._compare_with_chain(digest, principal, body)
        async with self._changes(proof) as session:
            mint = await self._authorize(session, digest, principal, body)
            row = await _claim(session, mint, self._domain)
            cost = Cost(self._budget, _actual_cost(body, row))
            request = self._request(mint, row.idempotency_key, mint.attestation, cost)
            if not self._is_in_force(row):
                if self._heads.are_known and checked != _place(mint):
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
            return self.view(row)

    async def attach(
        self, session: AsyncSession, number: int, text: str, principal: Principal, actor: Actor
    ) -> MintRequestView:
        """Add the signature of a further attestor; that of one who has signed changes nothing.

        number: of the mint request. text: the signature, r, s and v in hexadecimal.

        Raises NotFoundError, UnprocessableError and UnknownSignerError as `Signers.verify` does,
        and, where the mint is no longer agreed to, what `authorize` raises.
        """
        row = await find_mint_request(session, number, principal, self.signers, lock=True)
        if row.deadline <= now():
            raise NotMintableError(
                "No contract accepts this mint request after its deadline. Request it anew, and "
                "sign the new one."
            )
        signer, signature = self.signers.verify(bytes.fromhex(row.digest[2:]), text)
        if any(one["signer"] == signer for one in row.signatures):
            return self.view(row)
        if len(row.signatures) >= MAX_SIGNATURES:
            raise ConflictError(f"It has {MAX_SIGNATURES} signatures, the most that are taken.")
        attestation = await session.get_one(Attestation, row.attestation)
        await authorize(session, attestation, row.chain_model_id)
        row.signatures = [
            dict(one)
            for one in ordered([*row.signatures, {"signer": signer, "signature": signature}])
        ]
        audit.record(
            session,
            actor,
            "mint_request.signature_added",
            row.attestation,
            row.tenant,
            digest=row.digest,
            signer=signer,
            signatures=len(row.signatures),
            required=self.signers.required,
        )
        await session.flush()
        return self.view(row)

    def view(self, row: MintRequest) -> MintRequestView:
        """A mint request as responses show it."""
        return MintRequestView.of(row, self.signers.required)

    def _require_within_budget(self, actual: int | None) -> None:
        if actual is not None and actual > self._budget:
            raise UnprocessableError(
                f"actual_cost_usd_micro is {actual}, above the {self._budget} that the operator "
                "allows for an evaluation (HOKUSAI_EVALUATION_BUDGET; 0: no cost can be stated)."
            )

    async def _compare_with_chain(
        self, digest: str, principal: Principal, body: MintRequestBody
    ) -> tuple[str, str] | None:
        """Compare the baseline with the chain, unless nothing new would be signed.

        Returns what was compared, as `_place`. In no transaction: the node may take seconds.
        """
        if not self._heads.are_known:
            return None
        async with self._database.transaction() as session:
            mint = await self._authorize(session, digest, principal, body)
            rows = (await session.scalars(_same_candidate(mint))).all()
            if any(map(self._is_in_force, rows)):
                return None
        await self._heads.require(
            int(mint.chain_model_id), mint.evidence.baseline, mint.evidence.candidate
        )
        return _place(mint)

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
        return (
            bool(row.signatures)
            and row.deadline > now()
            and bool(row.typed_data["domain"] == self._domain)
        )

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


def _place(mint: AuthorizedMint) -> tuple[str, str]:
    """The place in a model's lineage on the chain: its number, and the baseline's weights."""
    return mint.chain_model_id, mint.evidence.baseline


def _same_candidate(mint: AuthorizedMint) -> Any:
    """SQL: the mint requests for the same run or the same files, by the same metric."""
    return select(MintRequest).where(
        MintRequest.metric == mint.data["primary_metric"],
        or_(
            MintRequest.run_id == mint.data["run_id"],
            MintRequest.candidate_commitment == mint.evidence.candidate,
        ),
    )


async def _claim(
    session: AsyncSession, mint: AuthorizedMint, domain: Mapping[str, Any]
) -> MintRequest:
    """The row of the improvement, locked; one without signatures where it is new.

    Raises NotMintableError where the same run or the same files have a row for another model
    number, over another baseline, or with other files or another run.
    """
    new = insert(MintRequest).values(
        idempotency_key=idempotency_key(int(mint.chain_model_id), mint.attestation),
        run_id=mint.data["run_id"],
        baseline_commitment=mint.evidence.baseline,
        candidate_commitment=mint.evidence.candidate,
        metric=mint.data["primary_metric"],
        symbol=mint.improvement.token.symbol,
        chain_model_id=mint.chain_model_id,
        tenant=mint.improvement.model.tenant,
        model_id=mint.improvement.model.model_id,
        attestation=mint.attestation,
        typed_data={"domain": dict(domain)},
        digest="",
        signatures=[],
        created_at=now(),
        signed_at=now(),
        deadline=now(),
    )
    # Of several requests at the same time, one inserts, and the others wait for it here.
    await session.execute(new.on_conflict_do_nothing())
    query = _same_candidate(mint).with_for_update().execution_options(populate_existing=True)
    rows = (await session.scalars(query)).all()
    for row in rows:
        is_same = (
            row.run_id,
            row.candidate_commitment,
            row.baseline_commitment,
            row.chain_model_id,
        ) == (
            mint.data["run_id"],
            mint.evidence.candidate,
            mint.evidence.baseline,
            mint.chain_model_id,
        )
        if not is_same:
            raise NotMintableError(
                f"A mint request was signed for this run, or for the same files, and {row.metric} "
                f"already: as the improvement {row.model_id} of the model number "
                f"{row.chain_model_id}. One candidate is minted once."
            )
    (found,) = rows
    row_of_improvement: MintRequest = found
    return row_of_improvement


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


def _substance(message: Mapping[str, Any]) -> Any:
    """A message without what differs between two requests for the same mint."""
    payload = dict(message["payload"])
    anchors = {
        name: value for name, value in payload["anchors"].items() if name != "attestationHash"
    }
    del payload["deadline"], payload["maxCostUsdMicro"]
    return dict(message) | {"payload": payload | {"anchors": anchors}}
