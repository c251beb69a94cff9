"""The attestors whose signatures a mint request may have, as the operator names them."""

from dataclasses import dataclass
from typing import Self

from app.core.errors import InvalidSignatureError, UnknownSignerError, UnprocessableError
from app.core.ethereum import checksum_address, parse_signature, recover
from app.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Signers:
    """own: the gateway's address. further: those of the other attestors, in EIP-55 form.

    required: how many signatures a mint request needs (HOKUSAI_MINT_SIGNATURES); None: as many as
    the contract says.
    """

    own: str
    further: frozenset[str]
    required: int | None

    @classmethod
    def from_settings(cls, settings: Settings, own: str) -> Self:
        """HOKUSAI_MINT_SIGNERS and HOKUSAI_MINT_SIGNATURES. own: the gateway's address."""
        further = frozenset(map(checksum_address, settings.mint_signers))
        return cls(own, further, settings.mint_signatures)

    @property
    def addresses(self) -> frozenset[str]:
        """Of all of them."""
        return self.further | {self.own}

    def verify(self, digest: bytes, text: str) -> tuple[str, str]:
        """The signer of a digest and the signature, as the contract takes it.

        text: r, s and v in hexadecimal; a v of 0 or 1, as some hardware wallets write it, becomes
        27 or 28. Raises UnprocessableError for what is no signature with a low s (EIP-2), and
        UnknownSignerError where the signer is not a further attestor.
        """
        try:
            raw = parse_signature(text)
            if raw[64] in (0, 1):
                raw = raw[:64] + bytes((raw[64] + 27,))
            signer = recover(digest, raw)
        except InvalidSignatureError as error:
            raise UnprocessableError(error.message) from None
        if signer not in self.further:
            raise UnknownSignerError(
                f"The signature is by {signer}, which is none of the attestors whose signatures "
                "are accepted here, or it is of another message: sign typed_data of this request."
            )
        return signer, f"0x{raw.hex()}"
