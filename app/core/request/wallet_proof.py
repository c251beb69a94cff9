"""What a verified signature of a wallet proves."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class VerifiedWallet:
    """A wallet that has signed a message.

    address: in EIP-55 form.
    digest: the 32 bytes that were signed. With the address it names this use of the wallet in the
        replay store; the signature's own bytes would not, since one message has many signatures.
    expires_at: when the message turns stale, until when a replay store has to remember it.
    """

    address: str
    digest: bytes
    expires_at: datetime
