"""A wallet's signed message, once its signature is verified."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WalletProof:
    """Proof that a wallet has signed a message.

    address: the wallet's address (EIP-55).
    digest: the 32-byte hash that was signed. Address and digest identify the message for replay
        protection; the bytes of the signature do not, since a message has many valid signatures.
    expires_at: when the message becomes stale; replay protection keeps it until then.
    """

    address: str
    digest: bytes
    expires_at: datetime
