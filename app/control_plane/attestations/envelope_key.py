"""The key that signs envelopes: ECDSA with P-256 and SHA-256, which public tools verify.

Neither the attestor's own curve nor that of the log's checkpoints is one that OpenSSF Model Signing
accepts, and cosign does not read the former. So the same secret has a third key.
"""

import base64
import hashlib
import textwrap

from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS

# The order of P-256's base point (FIPS 186-5, SP 800-186 section 3.2.1.3).
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class EnvelopeKey:
    """A private key of P-256.

    pem: the public key as text (RFC 7468), in lines of 64 characters. hint: the SHA-256 of `pem`
    as hexadecimal digits, by which an envelope names its key.
    """

    def __init__(self, secret: bytes) -> None:
        """secret: 32 bytes, from which the key is derived (HKDF-SHA256, RFC 5869)."""
        # 48 bytes for a number below 2^256: the remainder's bias is below 2^-128.
        raw = HKDF(secret, 48, b"", SHA256, context=b"hokusai envelope p256 v1")
        assert isinstance(raw, bytes)
        key = ECC.construct(curve="P-256", d=int.from_bytes(raw, "big") % (_ORDER - 1) + 1)
        self._signer = DSS.new(key, "deterministic-rfc6979", encoding="der")
        der: bytes = key.public_key().export_key(format="DER")
        lines = textwrap.fill(base64.b64encode(der).decode(), 64)
        self.pem = f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n"
        self.hint = hashlib.sha256(self.pem.encode()).hexdigest()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message, in DER. The same message gets the same one (RFC 6979).

        It takes some milliseconds.
        """
        signature: bytes = self._signer.sign(SHA256.new(message))
        return signature
