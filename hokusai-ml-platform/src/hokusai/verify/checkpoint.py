"""Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import Iterable

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

_ED25519 = b"\x01"
_SIGNATURE_MARK = "\N{EM DASH} "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_MAX_CHARACTERS = 64 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """The log at one size. root: the tree hash of RFC 6962, 32 bytes.

    signed_by: the log's key, as `<name>+<id>`, or None where no key was given.
    """

    origin: str
    size: int
    root: bytes
    signed_by: str | None


class LogKey:
    """A log's public key, written as `<name>+<key id>+<base64>` (C2SP signed-note)."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is not such a key."""
        # Base64 has plus signs too, a name has none.
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not parts[0]:
            raise ValueError("the key of a log is <name>+<key id>+<base64>")
        self.name, key_id, encoded = parts
        raw = _decoded(encoded)
        if len(raw) != 33 or raw[:1] != _ED25519:
            raise ValueError("the key of the log is not an Ed25519 key")
        self.key_id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if self.key_id.hex() != key_id.lower():
            raise ValueError("the id in the key of the log is not that of its name and key")
        self._verifier = eddsa.new(
            ECC.import_key(_SUBJECT_PUBLIC_KEY_INFO + raw[1:]), mode="rfc8032"
        )

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}"

    def signed(self, body: str, line: str) -> bool:
        """Whether a signature line of a note is this key's, over the note's body."""
        name, _, encoded = line[len(_SIGNATURE_MARK) :].partition(" ")
        if not line.startswith(_SIGNATURE_MARK) or name != self.name:
            return False
        try:
            raw = _decoded(encoded)
            if raw[:4] != self.key_id:
                return False
            self._verifier.verify(body.encode(), raw[4:])
        except ValueError:
            return False
        return True


# DER before the 32 bytes of an Ed25519 key (RFC 8410, section 4).
_SUBJECT_PUBLIC_KEY_INFO = bytes.fromhex("302a300506032b6570032100")


def parse_checkpoint(note: str, keys: Iterable[LogKey]) -> Checkpoint:
    """The checkpoint in a signed note, and whether one of the keys has signed it.

    Raises ValueError for what is not a checkpoint in a signed note.
    """
    if len(note) > _MAX_CHARACTERS:
        raise ValueError("a checkpoint has at most 64 KiB")
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise ValueError("the checkpoint is not a signed note")
    body += "\n"
    lines = body.split("\n")
    if len(lines) < 4 or not lines[0] or _NUMBER.fullmatch(lines[1]) is None:
        raise ValueError("the note is not a checkpoint")
    root = _decoded(lines[2])
    if len(root) != 32:
        raise ValueError("the checkpoint's root is not 32 bytes")
    # At most 16, as the specification has it for others' signatures: each costs a verification.
    found = signatures.split("\n")[:16]
    signed_by = next((key for key in keys if any(key.signed(body, line) for line in found)), None)
    return Checkpoint(
        origin=lines[0],
        size=int(lines[1]),
        root=root,
        signed_by=None if signed_by is None else str(signed_by),
    )


def _decoded(text: str) -> bytes:
    """Base64 as it is written, and not with bits at its end that no byte has."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("a part is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise ValueError("a part is not how its bytes are written in base64")
    return raw
