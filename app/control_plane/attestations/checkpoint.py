"""Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519.

PyCryptodome signs, since Keccak needs it anyway; another library would cost every process 6 MB.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

_ED25519 = b"\x01"
_SIGNATURE_MARK = "\N{EM DASH} "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log at one size: `root` is the Merkle tree hash, 32 bytes."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The text that is signed, its last line break included."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class CheckpointVerifier:
    """A log's public key, written as `<name>+<key id>+<base64>` (C2SP signed-note)."""

    def __init__(self, name: str, public_key: bytes) -> None:
        self.name = name
        self._public_key = public_key
        self.key_id = hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> "CheckpointVerifier":
        """Raises ValueError for what is not such a key."""
        try:
            # Base64 has plus signs too, a name has none.
            name, key_id, key = text.split("+", 2)
            raw = _decoded(key)
        except ValueError:
            raise ValueError("a verifier key is <name>+<key id>+<base64>") from None
        if len(raw) != 33 or raw[:1] != _ED25519 or not name:
            raise ValueError("the verifier key is not an Ed25519 key")
        found = cls(name, raw[1:])
        if found.key_id.hex() != key_id.lower():
            raise ValueError("the verifier key's id is not that of its name and key")
        return found

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self._public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint inside a note that this key signed. Raises ValueError for any other."""
        body, separator, signatures = note.rpartition("\n\n")
        if not separator or not signatures.endswith("\n"):
            raise ValueError("this is not a signed note")
        body += "\n"
        lines = body.split("\n")
        if len(lines) < 4 or _NUMBER.fullmatch(lines[1]) is None:
            raise ValueError("the note is not a checkpoint")
        if not any(self._signed(body, line) for line in signatures.splitlines()):
            raise ValueError(f"the note is not signed by {self.name}")
        try:
            root = _decoded(lines[2])
        except ValueError:
            root = b""
        if len(root) != 32:
            raise ValueError("the checkpoint's root is not 32 bytes")
        return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)

    def _signed(self, body: str, line: str) -> bool:
        name, _, blob = line.removeprefix(_SIGNATURE_MARK).partition(" ")
        if not line.startswith(_SIGNATURE_MARK) or name != self.name:
            return False
        try:
            raw = _decoded(blob)
        except ValueError:
            return False
        if raw[:4] != self.key_id:
            return False
        try:
            key = eddsa.import_public_key(self._public_key)
            eddsa.new(key, "rfc8032").verify(body.encode(), raw[4:])
        except ValueError:
            return False
        return True


class CheckpointSigner:
    """Signs checkpoints under a log's name, which is also their origin line."""

    def __init__(self, name: str, secret: bytes) -> None:
        """`secret`: 32 bytes that the Ed25519 key is derived from (HKDF-SHA256)."""
        seed = HKDF(secret, 32, b"", SHA256, context=b"hokusai log checkpoint v1")
        key = ECC.construct(curve="Ed25519", seed=seed)  # type: ignore[arg-type]
        self._signer = eddsa.new(key, "rfc8032")
        public = key.public_key().export_key(format="raw")
        self.verifier = CheckpointVerifier(name, public)

    def sign(self, size: int, root: bytes) -> str:
        """The signed note of the log at `size`."""
        body = Checkpoint(self.verifier.name, size, root).body()
        blob = base64.b64encode(self.verifier.key_id + self._signer.sign(body.encode())).decode()
        return f"{body}\n{_SIGNATURE_MARK}{self.verifier.name} {blob}\n"


def _decoded(text: str) -> bytes:
    """Base64 as it is written, and not with bits at its end that no byte has. Raises ValueError."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("this is not how the bytes are written in base64")
    return raw
