"""An attestation that is about to be issued: everything but its place in the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from app.control_plane.attestations import eas, eip712
from app.control_plane.attestations.evidence import Evidence, Observation
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.signing_key import Attestor
from app.control_plane.idempotency.service import RequestIdentity
from app.core import canonical_json
from app.core.request.actor import Actor
from app.core.request.principal import Principal
from app.core.request.wallet_proof import WalletProof
from app.database.engine import now


@dataclass(frozen=True, slots=True)
class PendingAttestation:
    """The data of an attestation, with the request for it.

    text: the canonical form of `data`, and hash: its SHA-256. private: whether only the tenant may
    see it. proof: the wallet's message that authorises the request, if it has one. proven: the
    proof of the counts in its canonical form, if there is one. eas: the signed envelope of EAS,
    which does not depend on the place in the log.
    """

    attestor: Attestor
    identity: RequestIdentity
    tenant: str
    actor: Actor
    data: dict[str, Any]
    text: str
    private: bool
    observations: Sequence[Observation]
    proof: WalletProof | None
    proven: str | None
    issued_at: datetime
    hash: str
    eas: dict[str, Any]

    @classmethod
    def of(
        cls,
        attestor: Attestor,
        identity: RequestIdentity,
        principal: Principal,
        actor: Actor,
        evidence: Evidence,
        data: dict[str, Any],
        text: str,
        proof: WalletProof | None,
        proven: str | None = None,
    ) -> Self:
        """One that is issued now."""
        issued_at, digest = now(), canonical_json.digest(text)
        shares = data["contributors"]
        recipient = shares[0]["address"] if shares else None
        return cls(
            attestor,
            identity,
            principal.tenant,
            actor,
            data,
            text,
            evidence.private,
            evidence.observations,
            proof,
            proven,
            issued_at,
            digest,
            eas.envelope(attestor, digest, data["kind"], issued_at, recipient),
        )

    @property
    def request(self) -> tuple[str, str]:
        """What makes a repetition of the request the same one: its principal and key."""
        return self.identity.principal, self.identity.key

    @property
    def model_ids(self) -> list[str]:
        """The registered models that it is about."""
        models = (self.data, self.data["baseline"] or {"model_id": None})
        return [one["model_id"] for one in models if one["model_id"] is not None]

    def signed(self, index: int) -> Attestation:
        """The row of the attestation, signed for this index of the log."""
        data, attestor = self.data, self.attestor
        message = eip712.attestation(
            attestor.domain, self.hash, data["kind"], self.issued_at, nonce=index
        )
        return Attestation(
            hash=self.hash,
            text=self.text,
            kind=data["kind"],
            tenant=self.tenant,
            private=self.private,
            principal=self.identity.principal,
            request_key=self.identity.key,
            request_hash=self.identity.request_hash,
            model_id=data["model_id"],
            run_id=data["run_id"],
            contributors=sorted({share["address"] for share in data["contributors"]}),
            signature={
                "signer": attestor.address,
                "signature": attestor.sign(message),
                **message.as_dict(),
            },
            eas=self.eas,
            proof=self.proven,
            created_at=self.issued_at,
        )
