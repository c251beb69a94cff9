"""A wallet that signs like the guide's HokusaiAuth class, at times that tests choose."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct

from app.access.identity.siwe import SIWEMessage


class Wallet:
    """An Ethereum account. address: with EIP-55 checksum. tenant: the name of its tenant.

    key: the private key, in hexadecimal; a new one by default.
    """

    def __init__(self, key: str | None = None) -> None:
        self._account = Account.create() if key is None else Account.from_key(key)
        self.address: str = self._account.address
        self.tenant = self.address.lower()
        self.principal = f"wallet:{self.address}"

    def sign(self, text: str) -> str:
        """The signature (EIP-191) in hexadecimal, without 0x, as hexbytes writes it."""
        signature: str = self._account.sign_message(encode_defunct(text=text)).signature.hex()
        return signature.removeprefix("0x")

    def headers(self, seconds: float = 0) -> dict[str, str]:
        """The guide's three headers, with a timestamp `seconds` from now."""
        at = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=seconds)
        message = f"Hokusai API Access - {at.isoformat()}"
        return {
            "X-ETH-Address": self.address,
            "X-ETH-Message": message,
            "X-ETH-Signature": self.sign(message),
        }

    def siwe(self, host: str, nonce: str, **fields: Any) -> dict[str, str]:
        """The body of POST /api/auth/token for a SIWE message to `host`, signed now."""
        values: Mapping[str, Any] = {
            "domain": host,
            "address": self.address,
            "uri": f"http://{host}/api/auth/token",
            "chain_id": 1,
            "nonce": nonce,
            "issued_at": datetime.now(UTC),
            **fields,
        }
        message = SIWEMessage(**values).text()
        return {"message": message, "signature": self.sign(message)}
