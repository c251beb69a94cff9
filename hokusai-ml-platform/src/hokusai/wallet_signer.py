"""Signing requests with an Ethereum private key."""

from __future__ import annotations

import datetime
import sys
from typing import Any

from hokusai.errors import CredentialError


class WalletSigner:
    """Signs requests with an Ethereum private key (EIP-191).

    Attributes:
        account: The `eth_account` account of the key.
        clock_skew: Seconds by which the gateway's clock is ahead of the local one. Added to the
            time in each signed message.
    """

    def __init__(self, private_key: str) -> None:
        """Load the key.

        Args:
            private_key: 32 bytes in hexadecimal, with or without `0x`.

        Raises:
            CredentialError: This is not a private key. The message does not contain it.
        """
        self.account = _load_account(private_key)
        self.clock_skew = 0.0

    def headers(self) -> dict[str, str]:
        """Return the three `X-ETH-*` headers for one request, signed with the current time.

        The gateway accepts each signature once, so call this for every request.
        """
        message = f"Hokusai API Access - {self._now().replace(tzinfo=None).isoformat()}"
        return {
            "X-ETH-Address": self.account.address,
            "X-ETH-Message": message,
            "X-ETH-Signature": self._sign(message),
        }

    def sign_in(self, origin: str, nonce: str) -> dict[str, str]:
        """Return a SIWE message (EIP-4361) for one gateway, and its signature.

        Args:
            origin: The gateway, as `scheme://host[:port]`. The message is valid there only.
            nonce: A nonce of the gateway's `GET /api/auth/nonce`.
        """
        issued_at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = (
            f"{origin.partition('://')[2]} wants you to sign in with your Ethereum account:\n"
            f"{self.account.address}\n\n\n"
            f"URI: {origin}\nVersion: 1\nChain ID: 1\nNonce: {nonce}\nIssued At: {issued_at}"
        )
        return {"message": message, "signature": self._sign(message)}

    def _now(self) -> datetime.datetime:
        """The time, as far as known by the gateway's clock."""
        now = datetime.datetime.now(datetime.timezone.utc)
        return now + datetime.timedelta(seconds=self.clock_skew)

    def _sign(self, message: str) -> str:
        from eth_account.messages import encode_defunct

        signature: str = self.account.sign_message(encode_defunct(text=message)).signature.hex()
        # The version of hexbytes decides whether hex() begins with 0x.
        return signature if signature.startswith("0x") else "0x" + signature


def _load_account(private_key: str) -> Any:
    limit = sys.getrecursionlimit()
    from eth_account import Account

    # A dependency of eth_account raises the recursion limit a hundredfold. Parsing deeply nested
    # JSON would then overflow the C stack and end the process instead of raising RecursionError.
    sys.setrecursionlimit(limit)
    try:
        return Account.from_key(private_key)
    except Exception:
        # The library's own message may contain the key, so it is not chained or repeated.
        raise CredentialError(
            "This is not a valid private key: it must be 32 bytes, as 64 hexadecimal digits."
        ) from None
