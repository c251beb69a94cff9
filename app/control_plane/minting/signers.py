"""The attestors whose signatures a mint request may have, and how many of them it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from app.core.errors import InvalidSignatureError, UnknownSignerError, UnprocessableError
from app.core.ethereum import checksum_address, parse_signature, recover
from app.core.settings import Settings

# The most signatures in a message that the platform takes.
MAX_SIGNATURES = 8

# One signature: `signer`, an address in EIP-55 form, and `signature`, 0x and 130 digits.
Signature = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signers:
    """addresses: of the further attestors, in EIP-55 form. required: the contract's threshold."""

    addresses: frozenset[str]
    required: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """HOKUSAI_MINT_SIGNERS and HOKUSAI_MINT_SIGNATURES."""
        addresses = frozenset(map(checksum_address, settings.mint_signers))
        return cls(addresses, settings.mint_signatures)

    def verify(self, digest: bytes, text: str) -> tuple[str, str]:
        """The signer of a digest and the signature, as the contract takes it.

        text: r, s and v in hexadecimal; a v of 0 or 1, as some hardware wallets write it, becomes
        27 or 28. Raises UnprocessableError for what is no signature with a low s (EIP-2), and
        UnknownSignerError where the signer is not one of `addresses`.
        """
        try:
            raw = parse_signature(text)
            if raw[64] in (0, 1):
                raw = raw[:64] + bytes((raw[64] + 27,))
            signer = recover(digest, raw)
        except InvalidSignatureError as error:
            raise UnprocessableError(error.message) from None
        if signer not in self.addresses:
            raise UnknownSignerError(
                f"The signature is by {signer}, which is none of the attestors whose signatures "
                "are accepted here, or it is of another message: sign typed_data of this request."
            )
        return signer, f"0x{raw.hex()}"


def ordered(signatures: Sequence[Signature]) -> list[Signature]:
    """Signatures by ascending address of the signer, as the contract expects them."""
    return sorted(signatures, key=lambda one: int(one["signer"], 16))
