"""Signed checkpoints of the transparency log: C2SP tlog-checkpoint in a C2SP signed-note, Ed25519.

PyCryptodome signs, since Keccak needs it anyway; another library would cost every process 6 MB.
"""

import base64
import re
from dataclasses import dataclass

from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from app.control_plane.transparency_log.note_key import SIGNATURE_PREFIX, NoteKey, decode
from app.core.json_data import LARGEST_INTEGER

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
# As the verifiers of the SDK and of @hokusai/verify read a note: C2SP has up to 16 signatures.
MAX_CHARACTERS = 64 * 1024
MAX_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log at one size.

    origin: the log's name. root: the Merkle tree hash of the first `size` entries, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The text that is signed, with its final line break."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class CheckpointVerifier(NoteKey):
    """A log's public key. Its name is the log's, and so the origin of the log's checkpoints."""

    # Ed25519 in signed-note.
    TYPE = b"\x01"
    WHAT = "verifier key"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note that this key signed. Raises ValueError for any other note."""
        if len(note) > MAX_CHARACTERS:
            raise ValueError("the note is too long")
        body, separator, signatures = note.rpartition("\n\n")
        if not separator or not signatures.endswith("\n"):
            raise ValueError("this is not a signed note")
        body += "\n"
        lines = body.split("\n")
        is_size = len(lines) > 3 and _NUMBER.fullmatch(lines[1])
        if not is_size or int(lines[1]) > LARGEST_INTEGER:
            raise ValueError("the note is not a checkpoint")
        if lines[0] != self.name:
            raise ValueError(f"the note is not a checkpoint of {self.name}")
        if not any(self._signed(body, line) for line in signatures.split("\n")[:MAX_SIGNATURES]):
            raise ValueError(f"the note is not signed by {self.name}")
        try:
            root = decode(lines[2])
        except ValueError:
            root = b""
        if len(root) != 32:
            raise ValueError("the checkpoint's root is not 32 bytes")
        return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)

    def _signed(self, body: str, line: str) -> bool:
        """Whether a signature line holds this key's valid signature of a body."""
        signature = self.signature(line)
        return signature is not None and self.verifies(body, signature)


class CheckpointSigner:
    """Signs a log's checkpoints under the log's name, which is also their origin line."""

    def __init__(self, name: str, secret: bytes) -> None:
        """secret: 32 bytes, from which the Ed25519 key is derived (HKDF-SHA256, RFC 5869)."""
        seed = HKDF(secret, 32, b"", SHA256, context=b"hokusai log checkpoint v1")
        key = ECC.construct(curve="Ed25519", seed=seed)  # type: ignore[arg-type]
        self._signer = eddsa.new(key, "rfc8032")
        public = key.public_key().export_key(format="raw")
        self.verifier = CheckpointVerifier(name, public)

    def sign(self, size: int, root: bytes) -> str:
        """The signed note of the log at `size`; root: as in `Checkpoint`."""
        body = Checkpoint(self.verifier.name, size, root).body()
        blob = base64.b64encode(self.verifier.key_id + self._signer.sign(body.encode())).decode()
        return f"{body}\n{SIGNATURE_PREFIX}{self.verifier.name} {blob}\n"
