"""Signed checkpoints of the transparency log: C2SP tlog-checkpoint in a C2SP signed-note, Ed25519.

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

# The signature type of Ed25519 in signed-note.
_ED25519 = b"\x01"
SIGNATURE_PREFIX = "\N{EM DASH} "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


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


class CheckpointVerifier:
    """A log's public key. As text it is `<name>+<key id>+<base64>`, a signed-note verifier key."""

    def __init__(self, name: str, public_key: bytes) -> None:
        self.name = name
        self._public_key = public_key
        self.key_id = hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> "CheckpointVerifier":
        """The key in a text. Raises ValueError for a text that is not a verifier key."""
        try:
            # Base64 contains plus signs too, but a name contains none.
            name, key_id, key = text.split("+", 2)
            raw = decode(key)
        except ValueError:
            raise ValueError("a verifier key is <name>+<key id>+<base64>") from None
        if len(raw) != 33 or raw[:1] != _ED25519 or not name:
            raise ValueError("the verifier key is not an Ed25519 key")
        verifier = cls(name, raw[1:])
        if verifier.key_id.hex() != key_id.lower():
            raise ValueError("the key id does not match the name and key of the verifier key")
        return verifier

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self._public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in a note that this key signed. Raises ValueError for any other note."""
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
            root = decode(lines[2])
        except ValueError:
            root = b""
        if len(root) != 32:
            raise ValueError("the checkpoint's root is not 32 bytes")
        return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)

    def _signed(self, body: str, line: str) -> bool:
        """Whether a signature line holds this key's valid signature of a body."""
        name, _, blob = line.removeprefix(SIGNATURE_PREFIX).partition(" ")
        if not line.startswith(SIGNATURE_PREFIX) or name != self.name:
            return False
        try:
            raw = decode(blob)
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


def decode(text: str) -> bytes:
    """Base64 in its one canonical spelling, without stray bits at its end. Raises ValueError."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("this is not canonical base64")
    return raw
