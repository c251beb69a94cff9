"""Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Iterable

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hokusai.verify.canonical_base64 import decode

# The types of signatures: of a log (C2SP signed-note), and of a witness (C2SP tlog-cosignature).
_ED25519 = b"\x01"
_COSIGNATURE = b"\x04"
# DER before the 32 bytes of an Ed25519 public key (RFC 8410, section 4).
_SUBJECT_PUBLIC_KEY_INFO = bytes.fromhex("302a300506032b6570032100")
_SIGNATURE_MARK = "\N{EM DASH} "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_MAX_CHARACTERS = 64 * 1024
# A note may carry signatures of others, up to 16 in all (C2SP). Each costs a verification.
_MAX_SIGNATURES = 16


@dataclass(frozen=True)
class Checkpoint:
    """The log at one size.

    Attributes:
        origin: The name of the log.
        size: The number of its entries.
        root: The root hash of its Merkle tree (RFC 6962), 32 bytes.
        signed_by: The trusted key that signed it, as `<name>+<id>`, or None.
        cosigned_by: The trusted witnesses that cosigned it, as `<name>+<id>`.
    """

    origin: str
    size: int
    root: bytes
    signed_by: str | None
    cosigned_by: tuple[str, ...] = ()


class LogKey:
    """A log's public key, `<name>+<key id>+<base64>` (C2SP signed-note).

    Attributes:
        name: The name of the key, which is that of the log.
        key_id: The first 4 bytes of the hash of name and key.
        public: The 32 bytes of the key.
    """

    _type = _ED25519
    _what = "log key"

    def __init__(self, text: str) -> None:
        """Parse the key.

        Raises:
            ValueError: This is not a valid Ed25519 key in that form.
        """
        # Base64 may contain plus signs; a name may not.
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not parts[0]:
            raise ValueError(f"a {self._what} has the form <name>+<key id>+<base64>")
        self.name, key_id, encoded = parts
        raw = decode(encoded)
        if len(raw) != 33 or raw[:1] != self._type:
            raise ValueError(f"the {self._what} is not an Ed25519 key")
        self.key_id = hashlib.sha256(self.name.encode() + b"\n" + raw).digest()[:4]
        if self.key_id.hex() != key_id.lower():
            raise ValueError(f"the id of the {self._what} does not match its name and key")
        self.public = raw[1:]
        self._verifier = eddsa.new(
            ECC.import_key(_SUBJECT_PUBLIC_KEY_INFO + raw[1:]), mode="rfc8032"
        )

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}"

    def has_signed(self, body: str, line: str) -> bool:
        """Return whether a signature line of a note is a valid signature of this key.

        Args:
            body: The text of the note that is signed.
            line: The signature line.
        """
        raw = self._signature(line)
        return raw is not None and self._verifies(body, raw)

    def _signature(self, line: str) -> bytes | None:
        """The bytes after the key id in a signature line of this key."""
        name, _, encoded = line[len(_SIGNATURE_MARK) :].partition(" ")
        if not line.startswith(_SIGNATURE_MARK) or name != self.name:
            return None
        try:
            raw = decode(encoded)
        except ValueError:
            return None
        return raw[4:] if raw[:4] == self.key_id else None

    def _verifies(self, text: str, signature: bytes) -> bool:
        try:
            self._verifier.verify(text.encode(), signature)
        except ValueError:
            return False
        return True


class WitnessKey(LogKey):
    """A witness's public key, in the same form (C2SP tlog-cosignature, `cosignature/v1`)."""

    _type = _COSIGNATURE
    _what = "witness key"

    def has_signed(self, body: str, line: str) -> bool:
        """Return whether a line is a valid cosignature of a checkpoint by this witness."""
        raw = self._signature(line)
        if raw is None or len(raw) != 72:
            return False
        return self._verifies(cosigned_text(body, int.from_bytes(raw[:8], "big")), raw[8:])


def cosigned_text(body: str, at: int) -> str:
    """Return what a witness signs.

    Args:
        body: The text of the checkpoint, with its final line break.
        at: The time, in seconds since 1970-01-01 UTC.
    """
    return f"cosignature/v1\ntime {at}\n{body}"


def parse_checkpoint(
    note: str, keys: Iterable[LogKey], witnesses: Iterable[WitnessKey] = ()
) -> Checkpoint:
    """Parse the checkpoint in a signed note.

    Args:
        note: The signed note.
        keys: The trusted keys; the first one that signed the note is in the result.
        witnesses: The trusted witnesses; all that cosigned the note are in the result.

    Raises:
        ValueError: This is not a valid checkpoint in a signed note.
    """
    if len(note) > _MAX_CHARACTERS:
        raise ValueError(f"the checkpoint has more than {_MAX_CHARACTERS} characters")
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise ValueError("the checkpoint is not a signed note")
    body += "\n"
    lines = body.split("\n")
    if len(lines) < 4 or not lines[0] or _NUMBER.fullmatch(lines[1]) is None:
        raise ValueError("the signed note is not a checkpoint")
    root = decode(lines[2])
    if len(root) != 32:
        raise ValueError("the root hash of the checkpoint is not 32 bytes")
    signature_lines = signatures.split("\n")[:_MAX_SIGNATURES]
    signed_by = next(
        (key for key in keys if any(key.has_signed(body, line) for line in signature_lines)), None
    )
    # A key counts once, however often it is named.
    distinct = {witness.public: witness for witness in witnesses}
    return Checkpoint(
        origin=lines[0],
        size=int(lines[1]),
        root=root,
        signed_by=None if signed_by is None else str(signed_by),
        cosigned_by=tuple(
            str(witness)
            for witness in distinct.values()
            if any(witness.has_signed(body, line) for line in signature_lines)
        ),
    )
