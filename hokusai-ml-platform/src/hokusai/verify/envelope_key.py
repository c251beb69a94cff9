"""The public keys of envelopes: ECDSA with P-256 and SHA-256."""

from __future__ import annotations

import hashlib
import re

from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

from hokusai.verify.canonical_base64 import decode
from hokusai.verify.strict_json import SPACES

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)\n-----END PUBLIC KEY-----")
# DER before the 64 bytes of a point of P-256, and the mark of an uncompressed one (RFC 5480).
_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


class EnvelopeKey:
    """A public key of P-256, as `/.well-known/hokusai.pub` has it.

    Attributes:
        name: The beginning of the SHA-256 of the key, 16 hexadecimal digits.
    """

    def __init__(self, pem: str) -> None:
        """Parse the key.

        Raises:
            ValueError: This is not a public key of P-256 in PEM.
        """
        match = _PEM.fullmatch(pem.replace("\r\n", "\n").strip(SPACES))
        if match is None:
            raise ValueError("an envelope key is a public key in PEM")
        der = decode(match.group(1).replace("\n", ""))
        if der[: len(_HEAD)] != _HEAD or len(der) != len(_HEAD) + 64:
            raise ValueError("the envelope key is not a key of P-256")
        x, y = der[len(_HEAD) : -32], der[-32:]
        try:
            key = ECC.construct(
                curve="P-256", point_x=int.from_bytes(x, "big"), point_y=int.from_bytes(y, "big")
            )
        except ValueError:
            raise ValueError("the envelope key is not a point of P-256") from None
        self.name = hashlib.sha256(der).hexdigest()[:16]
        self._verifier = DSS.new(key, "fips-186-3", encoding="der")

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether a signature, in DER, is one of this key over a message."""
        try:
            self._verifier.verify(SHA256.new(message), signature)
        except (ValueError, IndexError):
            return False
        return True
