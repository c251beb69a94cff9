"""Whose signatures on a mint request count, and how many are needed: the settings and the chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app.control_plane.minting.attestor_registry import AttestorRegistry, RegisteredAttestors
from app.control_plane.minting.signers import Signers
from app.core.errors import AttestorsDisagreeError, UnknownSignerError

# The most signatures in a message that the platform takes.
MAX_SIGNATURES = 8

# One signature: `signer`, an address in EIP-55 form, and `signature`, 0x and 130 digits.
Signature = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SignerSet:
    """signers: of the settings. registered: what the contract has; None where it was not read.

    has_chain: whether there is a node, so that without `registered` nothing is known.
    """

    signers: Signers
    registered: RegisteredAttestors | None
    has_chain: bool

    @classmethod
    async def read(cls, signers: Signers, registry: AttestorRegistry) -> Self:
        """For what is signed and given out. Raises ChainUnavailableError."""
        return cls(signers, await registry.read(), registry.has_node)

    @classmethod
    async def find(cls, signers: Signers, registry: AttestorRegistry) -> Self:
        """For what is shown, also while the node does not respond."""
        return cls(signers, await registry.find(), registry.has_node)

    @property
    def is_known(self) -> bool:
        """Whether the node has responded, if there is one."""
        return self.registered is not None or not self.has_chain

    @property
    def required(self) -> int | None:
        """How many signatures a mint request needs; None while the node does not respond."""
        if self.registered is not None:
            return self.registered.threshold
        return None if self.has_chain else self.signers.required or 1

    @property
    def disagreement(self) -> str | None:
        """What keeps the settings from getting anything minted on this contract, in words."""
        if self.registered is None:
            return None
        threshold, named = self.registered.threshold, self.signers.required
        able = len(self.signers.addresses & self.registered.addresses)
        if threshold == 0:
            return (
                "The contract has no attesterThreshold, so it mints nothing: ask the owner of the "
                "contract to set it."
            )
        if named not in (None, threshold):
            return (
                f"HOKUSAI_MINT_SIGNATURES is {named}, and the contract needs {threshold} "
                "signatures (attesterThreshold): correct the setting, or remove it."
            )
        if self.signers.own not in self.registered.addresses:
            return (
                f"The gateway signs as {self.signers.own}, which is no attestor of the contract "
                "(isAttester): ask the owner of the contract to add it."
            )
        if min(able, MAX_SIGNATURES) < threshold:
            return (
                f"The contract needs {threshold} signatures (attesterThreshold), and {able} of its "
                "attestors can sign here, of whom the platform takes 8 at most: complete "
                "HOKUSAI_MINT_SIGNERS."
            )
        return None

    def require_agreement(self) -> None:
        """Raises AttestorsDisagreeError where the settings contradict the contract."""
        if self.disagreement is not None:
            raise AttestorsDisagreeError(
                f"{self.disagreement} Until then no mint request is signed."
            )

    def counts(self, signer: str) -> bool | None:
        """Whether the signature of an address counts; None while the node does not respond."""
        if signer not in self.signers.addresses:
            return False
        if self.registered is not None:
            return signer in self.registered.addresses
        return None if self.has_chain else True

    def counted(self, signatures: Sequence[Signature]) -> list[Signature]:
        """Those that count, as far as is known, by ascending address, as the contract expects.

        No more than `MAX_SIGNATURES`: one whose signer was removed for a time may be one too many.
        """
        kept = [one for one in signatures if self.counts(one["signer"]) is not False]
        return sorted(kept, key=lambda one: int(one["signer"], 16))[:MAX_SIGNATURES]

    def is_complete(self, signatures: Sequence[Signature]) -> bool:
        """Whether as many count as are needed; not while the node does not respond."""
        return self.required is not None and len(self.counted(signatures)) >= self.required > 0

    def verify(self, digest: bytes, text: str) -> tuple[str, str]:
        """As `Signers.verify`; UnknownSignerError also for one whom the contract does not have."""
        signer, signature = self.signers.verify(digest, text)
        if self.counts(signer) is False:
            raise UnknownSignerError(
                f"The signature is by {signer}, whom HOKUSAI_MINT_SIGNERS names, and who is no "
                "attestor of the contract (isAttester): it would refuse the whole request."
            )
        return signer, signature
