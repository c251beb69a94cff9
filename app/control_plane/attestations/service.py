"""Issuing, finding, checking and revoking attestations."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.access.identity.replay_guard import consume
from app.control_plane.attestations import (
    canonical_json,
    eas,
    eip712,
    signing_key_history,
    transparency_log,
)
from app.control_plane.attestations.canonical_json import parse
from app.control_plane.attestations.checkpoint import Checkpoint, CheckpointVerifier
from app.control_plane.attestations.delta_one import delta_one, primary_of
from app.control_plane.attestations.evidence import Evidence, Side
from app.control_plane.attestations.mint_request import mint_request
from app.control_plane.attestations.models import Attestation, LogEntry
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.attestations.verification import Check, holds, verify
from app.control_plane.contributors.shares import shares
from app.control_plane.idempotency.service import RequestID, identify
from app.control_plane.registry.deltas import deltas
from app.core.errors import (
    KeyReusedError,
    NotFoundError,
    NotMintableError,
    PermissionDeniedError,
    StartupError,
    UnavailableError,
    UnprocessableError,
)
from app.core.redaction import has_secret
from app.core.request.actor import Actor
from app.core.request.principal import Principal, Scope
from app.core.request.wallet_proof import VerifiedWallet
from app.database.engine import Database, now

# The guide's name for what it attests.
ATTESTATION_TYPE = "performance_improvement"
MINT_LIFETIME = timedelta(days=1)
_HASH = re.compile(r"[0-9a-f]{64}")


class Attestations:
    """What a gateway attests; one for the process."""

    def __init__(
        self,
        database: Database,
        evidence: Evidence,
        attestor: Attestor,
        retired: Sequence[str] = (),
    ) -> None:
        self.attestor = attestor
        self._database = database
        self._evidence = evidence
        self._retired = retired
        self._checked = False

    async def issue(
        self,
        principal: Principal,
        request: AttestationRequest,
        actor: Actor,
        key: str | None = None,
        proof: VerifiedWallet | None = None,
    ) -> dict[str, Any]:
        """Attest, and add it to the log: the attestation's document.

        key: the request's Idempotency-Key; the request itself stands for it where there is none. A
        request that came before gets what it got then. proof: a wallet's message, spent with it.
        Raises NotFoundError, ClaimDisagreesError and UnprocessableError for what cannot be
        attested, and DatabaseUnavailableError and UpstreamError.
        """
        asked = identify(principal.id, "attestations", request.model_dump(mode="json"), key)
        async with self._database.transaction() as session:
            done = await _repeated(session, asked)
            if done is not None:
                return await self.document(session, done)
        improved, baseline = await self._evidence.gather(principal, request)
        data = self._data(principal, request, improved, baseline)
        text = canonical_json.canonical(data)
        _without_secret(text)
        async with self._database.transaction() as session:
            await self._check_attestor(session)
            index = await transparency_log.lock(session)
            row = await _repeated(session, asked)
            if row is None:
                if proof is not None:
                    await consume(session, proof)
                row = self._signed(index, text, data)
                row.tenant, row.principal = principal.tenant, principal.id
                row.private = improved.subject.private or (
                    baseline is not None and baseline.subject.private
                )
                row.request_key, row.request_hash = asked.key, asked.request_hash
                session.add(row)
                await session.flush()
                await transparency_log.append(
                    session,
                    index,
                    transparency_log.ATTESTED,
                    row.hash,
                    signer=self.attestor.address,
                )
                audit.record(
                    session, actor, "attestation.issued", row.hash, principal.tenant, kind=row.kind
                )
        # By now others may append again.
        async with self._database.transaction() as session:
            return await self.document(session, row)

    async def find(self, session: AsyncSession, digest: str, principal: Principal) -> Attestation:
        """An attestation by its hash. Raises NotFoundError, also for another tenant's private."""
        row = await session.get(Attestation, digest)
        if row is None or (row.private and row.tenant != principal.tenant):
            raise NotFoundError(f"There is no attestation {digest}.")
        return row

    async def checkpoint(self, session: AsyncSession) -> Checkpoint:
        """The log as it is now, for the attestor to sign."""
        await self._check_attestor(session)
        size = await transparency_log.size(session)
        root = await transparency_log.root(session, size)
        return Checkpoint(self.attestor.checkpoints.verifier.name, size, root)

    async def document(self, session: AsyncSession, row: Attestation) -> dict[str, Any]:
        """All that there is to an attestation, with a proof for the log as it is now."""
        entry = await transparency_log.entry_of(session, row.hash, transparency_log.ATTESTED)
        assert entry is not None
        checkpoint = await self.checkpoint(session)
        proof = await transparency_log.inclusion(session, entry.index, checkpoint.size)
        data = parse(row.text)
        return {
            "hash": row.hash,
            "data": data,
            "text": row.text,
            "kind": row.kind,
            "evidence": row.kind,
            "signature": row.signature,
            "eas": row.eas,
            "log": {
                "index": entry.index,
                "tree_size": checkpoint.size,
                "proof": [item.hex() for item in proof],
                "entry": entry.text,
                "checkpoint": self.attestor.checkpoints.sign(checkpoint.size, checkpoint.root),
            },
            "proof": None,
            "delta_one": data["delta_one"],
            "revoked": _revocation(
                await transparency_log.entry_of(session, row.hash, transparency_log.REVOKED)
            ),
            "created_at": row.created_at,
        }

    async def revoke(
        self, session: AsyncSession, digest: str, reason: str, principal: Principal, actor: Actor
    ) -> dict[str, Any]:
        """Add to the log that an attestation no longer holds; a second time changes nothing.

        Raises NotFoundError, and PermissionDeniedError for another tenant's.
        """
        row = await self.find(session, digest, principal)
        _own(row, principal, "revoke")
        _without_secret(reason)
        index = await transparency_log.lock(session)
        if await transparency_log.entry_of(session, digest, transparency_log.REVOKED) is None:
            await transparency_log.append(
                session,
                index,
                transparency_log.REVOKED,
                digest,
                signer=self.attestor.address,
                reason=reason,
            )
            audit.record(session, actor, "attestation.revoked", digest, row.tenant, reason=reason)
            await session.flush()
        return await self.document(session, row)

    async def verify(self, session: AsyncSession, document: Mapping[str, Any]) -> tuple[bool, Any]:
        """Whether a document holds, and the checks: those of the file, and the log's word."""
        known = await signing_key_history.known(session)
        signers = {self.attestor.address, *(item.address for item in known)}
        keys = [CheckpointVerifier.parse(item.checkpoint_key) for item in known]
        checks = await asyncio.to_thread(
            verify, document, signers, [self.attestor.checkpoints.verifier, *keys]
        )
        if checks["inclusion"].ok and not await _has_entry(session, document["log"]):
            # The keys alone would believe whoever has an old one.
            checks["inclusion"] = Check(False, "the log itself has another entry there, or none")
        checks["revoked"] = await self._revoked(session, document)
        return holds(checks), checks

    async def mint(
        self,
        session: AsyncSession,
        digest: str,
        principal: Principal,
        model: int | None,
    ) -> dict[str, Any]:
        """The chain side's MintRequest of an attestation, unsigned and signed.

        Raises NotMintableError where the attestation does not entitle to one.
        """
        row = await self.find(session, digest, principal)
        _own(row, principal, "mint with")
        if await transparency_log.entry_of(session, digest, transparency_log.REVOKED) is not None:
            raise NotMintableError("The attestation was revoked.")
        data = parse(row.text)
        asked = mint_request(self.attestor.chain, digest, data, model, now() + MINT_LIFETIME)
        warnings = []
        if self.attestor.chain.contract == eas.ZERO_ADDRESS:
            warnings.append(
                {
                    "code": "no_verifying_contract",
                    "message": "HOKUSAI_VERIFYING_CONTRACT is not set: no contract accepts this.",
                }
            )
        return {
            "attestation": digest,
            "delta_one": data["delta_one"],
            # As text: JavaScript would round a number of 256 bits.
            "typed_data": asked.document()
            | {"message": asked.message | {"modelId": str(asked.message["modelId"])}},
            "digest": f"0x{asked.digest().hex()}",
            "signatures": [self.attestor.sign(asked)],
            "signers": [self.attestor.address],
            "warnings": warnings,
        }

    async def describe(self, session: AsyncSession) -> dict[str, Any]:
        """Whose signatures to believe."""
        await self._check_attestor(session)
        known = await signing_key_history.known(session)
        chain = self.attestor.chain
        return {
            "signer": self.attestor.address,
            "signers": [item.address for item in known],
            "domain": self.attestor.domain,
            "types": eip712.ATTESTATION_TYPES,
            "primaryType": eip712.ATTESTATION_TYPE,
            "eas": {
                "schema": eas.SCHEMA,
                "schema_uid": eas.schema_uid(),
                "domain": eip712.domain(eas.NAME, chain.eas_version, chain.id, chain.eas_contract),
            },
            "log": {
                "origin": self.attestor.checkpoints.verifier.name,
                "key": str(self.attestor.checkpoints.verifier),
                "keys": [item.checkpoint_key for item in known],
                "checkpoint": "/api/attestations/log",
            },
        }

    def _data(
        self,
        principal: Principal,
        request: AttestationRequest,
        improved: Side,
        baseline: Side | None,
    ) -> dict[str, Any]:
        """What is hashed: the guide's keys, and ours beside them."""
        directions = {**improved.subject.higher_is_better, **request.higher_is_better}
        before = baseline.metrics if baseline else {}
        changed = deltas(before, improved.metrics, directions)
        if baseline is not None and not changed:
            raise UnprocessableError("The two models have no metric in common to compare.")
        names = changed if baseline else improved.metrics
        primary = request.primary_metric or improved.subject.primary_metric
        if primary is not None and primary not in names:
            raise UnprocessableError(f"The primary metric {primary} is not among those attested.")
        primary = primary or primary_of(names)
        given = improved.subject.shares
        if request.contributions:
            given = tuple(shares(request.contributions, None))
        if not improved.metrics:
            raise UnprocessableError(
                "There is no metric to attest: the run has none that is finite."
            )
        return {
            "attestation_type": ATTESTATION_TYPE,
            "kind": request.kind,
            **improved.document(),
            "baseline": baseline.document() if baseline else None,
            "delta": {name: delta.model_dump() for name, delta in changed.items()},
            "primary_metric": primary,
            "delta_one": delta_one(changed.get(primary)) if primary else None,
            "contributors": [item.model_dump() for item in given],
            "metrics_left_out": sorted(
                {*improved.not_finite, *(baseline.not_finite if baseline else ())}
            ),
            "tenant": principal.tenant,
            "issuer": self.attestor.address,
            "timestamp": now().isoformat(),
        }

    def _signed(self, index: int, text: str, data: Mapping[str, Any]) -> Attestation:
        """The row of a new attestation, without what says whose it is."""
        digest, issued_at = canonical_json.digest(text), now()
        typed = eip712.attestation(
            self.attestor.domain, digest, data["kind"], issued_at, nonce=index
        )
        addresses = [item["address"] for item in data["contributors"]]
        return Attestation(
            hash=digest,
            text=text,
            kind=data["kind"],
            model_id=data["model_id"],
            run_id=data["run_id"],
            contributors=sorted(set(addresses)),
            signature={
                "signer": self.attestor.address,
                "signature": self.attestor.sign(typed),
                **typed.document(),
            },
            eas=eas.envelope(
                self.attestor,
                digest,
                data["kind"],
                issued_at,
                addresses[0] if addresses else None,
            ),
            created_at=issued_at,
        )

    async def _revoked(self, session: AsyncSession, document: Mapping[str, Any]) -> Check:
        digest = document.get("hash")
        known = isinstance(digest, str) and _HASH.fullmatch(digest) is not None
        row = await session.get(Attestation, digest) if known else None
        if row is None:
            return Check(None, "this log has no such attestation")
        entry = await transparency_log.entry_of(session, row.hash, transparency_log.REVOKED)
        if entry is None:
            return Check(True, "it was not revoked")
        return Check(False, f"it was revoked at {entry.at.isoformat()} (entry {entry.index})")

    async def _check_attestor(self, session: AsyncSession) -> None:
        """Once: the gateway must not sign with a key that is not this log's."""
        if self._checked:
            return
        try:
            is_new = await signing_key_history.check(session, self.attestor, self._retired)
        except StartupError as error:
            raise UnavailableError(
                "This gateway's attestor key is not the one of the log: its operator has to set "
                "the right one."
            ) from error
        self._checked = not is_new


async def attestations_of(
    session: AsyncSession, model_ids: Sequence[str], principal: Principal
) -> dict[str, list[str]]:
    """The hashes of each model's attestations, oldest first; what the registry shows of them."""
    query = _visible(principal, Attestation.model_id, Attestation.hash)
    found: dict[str, list[str]] = {model_id: [] for model_id in model_ids}
    for model_id, digest in await session.execute(query.where(Attestation.model_id.in_(model_ids))):
        found[model_id].append(digest)
    return found


async def attestations_for(session: AsyncSession, address: str, principal: Principal) -> list[str]:
    """The hashes of the attestations that name a contributor (EIP-55 form), oldest first."""
    query = _visible(principal, Attestation.hash)
    found = await session.scalars(query.where(Attestation.contributors.contains([address])))
    return list(found)


def _visible(principal: Principal, *columns: Any) -> Any:
    """Not whole rows: there is no bound to how many there are, and a document is in each."""
    return (
        select(*columns)
        .where(~Attestation.private | (Attestation.tenant == principal.tenant))
        .order_by(Attestation.created_at, Attestation.hash)
    )


async def _repeated(session: AsyncSession, asked: RequestID) -> Attestation | None:
    """What the same request got before. Raises KeyReusedError where its key asked otherwise."""
    query = select(Attestation).where(
        Attestation.principal == asked.principal, Attestation.request_key == asked.key
    )
    row = (await session.scalars(query)).first()
    if row is not None and row.request_hash != asked.request_hash:
        raise KeyReusedError("This Idempotency-Key was used for another request: take a new one.")
    return row


async def _has_entry(session: AsyncSession, said: Mapping[str, Any]) -> bool:
    """Whether an entry that has passed verification is in our log."""
    entry = await session.get(LogEntry, said["index"])
    return entry is not None and entry.text == said["entry"]


def _without_secret(text: str) -> None:
    """Raises UnprocessableError for a key in what everybody can read, and nobody can remove."""
    if has_secret(text):
        raise UnprocessableError("This holds an API key or token, and would be public for good.")


def _own(row: Attestation, principal: Principal, verb: str) -> None:
    if row.tenant != principal.tenant and Scope.ADMIN not in principal.scopes:
        raise PermissionDeniedError(f"Only the tenant that asked for an attestation can {verb} it.")


def _revocation(entry: LogEntry | None) -> dict[str, Any] | None:
    if entry is None:
        return None
    return {"index": entry.index, "reason": parse(entry.text)["reason"], "at": entry.at}
