"""The attestor: the gateway's signing key, from the settings, and the signatures made with it."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coincurve import PrivateKey
from eth_hash.auto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData
from app.control_plane.attestations.envelope_key import EnvelopeKey
from app.control_plane.transparency_log.checkpoint import CheckpointSigner
from app.core.errors import StartupError
from app.core.ethereum import checksum_address
from app.core.settings import Settings

# The settings that can hold the key; one of them has to be set.
_SETTINGS = ("attestor_key", "attestor_key_file", "attestor_keystore")
_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Chain:
    """The chain that signatures are made for.

    id: of EIP-155. contract: the address of our verifying contract. eas_contract, eas_version: of
    the Ethereum Attestation Service on that chain.
    """

    id: int
    contract: str
    eas_contract: str
    eas_version: str


class Attestor:
    """Signs with the attestor key, a secp256k1 private key of 32 bytes.

    address: the key's Ethereum address, in EIP-55 form. domain: the EIP-712 domain of attestations.
    checkpoint_signer: signs the log's checkpoints with a key that is derived from the attestor
        key, so that there is one secret to keep. envelope_key: another such key.
    """

    def __init__(self, secret: bytes, chain: Chain, log_origin: str) -> None:
        """Raises ValueError where `secret` is not a private key."""
        self._key = PrivateKey(secret)
        public = self._key.public_key.format(compressed=False)[1:]
        self.address = checksum_address(f"0x{keccak(public)[12:].hex()}")
        self.chain = chain
        self.checkpoint_signer = CheckpointSigner(log_origin, secret)
        self.envelope_key = EnvelopeKey(secret)
        self.domain: dict[str, Any] = eip712.domain(
            eip712.ATTESTATION_NAME,
            eip712.ATTESTATION_VERSION,
            chain.id,
            chain.contract,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> "Attestor":
        """Raises StartupError where there is no key, more than one, or an invalid one."""
        name, text = _read_key(settings)
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
        """The signature of EIP-712 typed data: r, s (low, as EIP-2) and v, 0x and 130 digits."""
        raw: bytes = self._key.sign_recoverable(data.digest(), hasher=None)
        return f"0x{raw[:64].hex()}{27 + raw[64]:02x}"


def has_attestor_key(settings: Settings) -> bool:
    """Whether one of the settings that can hold the attestor key is set."""
    return any(getattr(settings, name) is not None for name in _SETTINGS)


def _read_key(settings: Settings) -> tuple[str, str]:
    """The environment variable that holds the key, and the key in hexadecimal."""
    names = [f"HOKUSAI_{name.upper()}" for name in _SETTINGS if getattr(settings, name) is not None]
    if not names:
        raise StartupError(
            "HOKUSAI_ATTESTOR_KEY is not set: attestations cannot be signed without it"
        )
    if len(names) > 1:
        raise StartupError(f"{' and '.join(names)} are set: the attestor has one key")
    if settings.attestor_key is not None:
        return names[0], settings.attestor_key.get_secret_value()
    if settings.attestor_key_file is not None:
        return names[0], _read_file(names[0], settings.attestor_key_file)
    assert settings.attestor_keystore is not None
    password = settings.attestor_keystore_password
    if password is None:
        raise StartupError("HOKUSAI_ATTESTOR_KEYSTORE needs HOKUSAI_ATTESTOR_KEYSTORE_PASSWORD")
    text = _read_file(names[0], settings.attestor_keystore)
    # The import loads py_ecc, which raises the recursion limit; eip712.py says why that is unsafe.
    limit = sys.getrecursionlimit()
    from eth_keyfile.keyfile import decode_keyfile_json

    sys.setrecursionlimit(limit)
    try:
        key = decode_keyfile_json(json.loads(text), password.get_secret_value().encode())
    except Exception:  # its message may contain parts of the file, which do not belong in a log
        raise StartupError(
            f"{names[0]}: the password does not open the keystore, or it is not a keystore (Web3 "
            "Secret Storage, version 3)"
        ) from None
    return names[0], bytes(key).hex()


def _read_file(name: str, path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StartupError(f"{name}: cannot read {path}: {reason}") from None
