"""The key of a witness, and its cosignatures (C2SP tlog-cosignature, Ed25519)."""

from __future__ import annotations

import os
from pathlib import Path

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hokusai.errors import InputError
from hokusai.verify.checkpoint import WitnessKey, cosigned_text
from hokusai.verify.note_key import NAME, key_id_of, key_text, signature_line
from hokusai.whole_files import PRIVATE, replacing

_MAX_NAME = 200
_KEY_FILE = "witness.key"


class WitnessSigner:
    """Signs checkpoints.

    Attributes:
        name: The name of the witness, for example its host name.
        key: The public key, `<name>+<id>+<base64>`.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        """Derive the public key.

        Args:
            name: The name, without spaces and plus signs.
            seed: The private key, 32 bytes.

        Raises:
            InputError: The name is not valid.
        """
        if len(name) > _MAX_NAME or NAME.fullmatch(name) is None:
            raise InputError("The name of a witness has no spaces and no plus signs.")
        private = ECC.construct(curve="Ed25519", seed=seed)  # type: ignore[arg-type]
        raw = WitnessKey.type + private.public_key().export_key(format="raw")
        self.name = name
        self._signer = eddsa.new(private, mode="rfc8032")
        self._key_id = key_id_of(name, raw)
        self.key = key_text(name, raw)

    @classmethod
    def stored(cls, directory: Path, name: str) -> WitnessSigner:
        """Read the private key in a directory, or create it.

        Raises:
            InputError: The name or the file is not valid.
            OSError: The file cannot be read or written.
        """
        path = directory / _KEY_FILE
        # The directory is locked, so that no other process makes the file meanwhile.
        if not os.path.lexists(path):
            with replacing(path, PRIVATE) as file:
                file.write(f"{os.urandom(32).hex()}\n".encode())
        try:
            seed = bytes.fromhex(path.read_text().strip())
        except ValueError:
            seed = b""
        if len(seed) != 32:
            raise InputError(f"{path} must contain a key of 64 hexadecimal digits.")
        return cls(name, seed)

    def cosign(self, body: str, at: int) -> str:
        """Return the line with the cosignature of a checkpoint.

        Args:
            body: The text of the checkpoint, with its final line break.
            at: The time, in seconds since 1970-01-01 UTC.
        """
        signature = self._signer.sign(cosigned_text(body, at).encode())
        return signature_line(self.name, self._key_id, at.to_bytes(8, "big") + signature)
