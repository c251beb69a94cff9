"""The gateway's signing key, and what it signs for: attestations, envelopes, checkpoints."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_hash.auto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.checkpoint import CheckpointSigner
from app.control_plane.attestations.eip712 import TypedData
from app.core.errors import StartupError
from app.core.ethereum import checksum_address
from app.core.settings import Settings

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Chain:
    """Where signatures count: EIP-155 chain id, our contract, and the contract of EAS there."""

    id: int
    contract: str
    eas_contract: str
    eas_version: str


class Attestor:
    """Signs with the attestor key, a secp256k1 private key of 32 bytes.

    The key that signs checkpoints is derived from it, so that there is one secret to keep.
    """

    def __init__(self, secret: bytes, chain: Chain, log_origin: str) -> None:
        """Raises ValueError for a secret that is no key."""
        self._key = PrivateKey(secret)
        public = self._key.public_key.format(compressed=False)[1:]
        self.address = checksum_address(f"0x{keccak(public)[12:].hex()}")
        self.chain = chain
        self.checkpoints = CheckpointSigner(log_origin, secret)
        self.domain: dict[str, Any] = eip712.domain(
            eip712.ATTESTATION_NAME,
            eip712.ATTESTATION_VERSION,
            chain.id,
            chain.contract,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Attestor":
        """Raises StartupError where there is no key, more than one, or one that is none."""
        name, text = _secret(settings)
        chain = Chain(
            settings.chain_id,
            checksum_address(settings.verifying_contract),
            checksum_address(settings.eas_contract),
            settings.eas_version,
        )
        match = _KEY.fullmatch(text.strip())
        try:
            return cls(bytes.fromhex(match[1] if match else ""), chain, settings.log_origin)
        except ValueError:
            raise StartupError(
                f"{name}: the attestor key has to be 32 bytes in hexadecimal"
            ) from None

    def sign(self, data: TypedData) -> str:
        """The signature of EIP-712 typed data: r, s (low) and v as 0x and 130 digits."""
        raw: bytes = self._key.sign_recoverable(data.digest(), hasher=None)
        return f"0x{raw[:64].hex()}{27 + raw[64]:02x}"


def _secret(settings: Settings) -> tuple[str, str]:
    """The name of the setting that has the key, and the key in hexadecimal."""
    given = [
        name
        for name in ("attestor_key", "attestor_key_file", "attestor_keystore")
        if getattr(settings, name) is not None
    ]
    names = [f"HOKUSAI_{name.upper()}" for name in given]
    if not given:
        raise StartupError(
            "HOKUSAI_ATTESTOR_KEY is not set: attestations cannot be signed without it"
        )
    if len(given) > 1:
        raise StartupError(f"{' and '.join(names)} are set: the attestor has one key")
    if settings.attestor_key is not None:
        return names[0], settings.attestor_key.get_secret_value()
    if settings.attestor_key_file is not None:
        return names[0], _read(names[0], settings.attestor_key_file)
    assert settings.attestor_keystore is not None
    password = settings.attestor_keystore_password
    if password is None:
        raise StartupError("HOKUSAI_ATTESTOR_KEYSTORE needs HOKUSAI_ATTESTOR_KEYSTORE_PASSWORD")
    text = _read(names[0], settings.attestor_keystore)
    # It loads py_ecc, which lifts the limit to what overflows the stack: see typed_data.py.
    limit = sys.getrecursionlimit()
    from eth_keyfile.keyfile import decode_keyfile_json

    sys.setrecursionlimit(limit)
    try:
        key = decode_keyfile_json(json.loads(text), password.get_secret_value().encode())
    except Exception:  # whatever is wrong with the file, its text is not for a log
        raise StartupError(
            f"{names[0]}: the password does not open the keystore, or it is not one (Web3 Secret "
            "Storage, version 3)"
        ) from None
    return names[0], bytes(key).hex()


def _read(name: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StartupError(f"{name}: cannot read {path}: {reason}") from None
