"""Signed checkpoints of the log: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable

from hokusai.verify.canonical_base64 import decode
from hokusai.verify.note_key import NoteKey
from hokusai.verify.strict_json import MAX_INTEGER

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


class LogKey(NoteKey):
    """A log's public key. Its name is the log's, and so the origin of the log's checkpoints."""

    # Ed25519 in signed-note.
    type = b"\x01"
    what = "log key"

    def has_signed(self, body: str, line: str) -> bool:
        """Return whether a signature line of a note is a valid signature of this key.

        Args:
            body: The text of the note that is signed.
            line: The signature line.
        """
        raw = self.signature(line)
        return raw is not None and self.verifies(body, raw)


class WitnessKey(NoteKey):
    """A witness's public key, in the same form (C2SP tlog-cosignature, `cosignature/v1`)."""

    # A cosignature with its time.
    type = b"\x04"
    what = "witness key"

    def has_signed(self, body: str, line: str) -> bool:
        """Return whether a line is a valid cosignature of a checkpoint by this witness."""
        raw = self.signature(line)
        if raw is None or len(raw) != 72:
            return False
        return self.verifies(cosigned_text(body, int.from_bytes(raw[:8], "big")), raw[8:])


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
        keys: The trusted keys; the first one that signed the note is in the result. A key signs
            only for the log of its name, which the origin line has.
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
    is_size = len(lines) > 3 and _NUMBER.fullmatch(lines[1])
    if not lines[0] or not is_size or int(lines[1]) > MAX_INTEGER:
        raise ValueError("the signed note is not a checkpoint")
    root = decode(lines[2])
    if len(root) != 32:
        raise ValueError("the root hash of the checkpoint is not 32 bytes")
    signature_lines = signatures.split("\n")[:_MAX_SIGNATURES]
    signed_by = next(
        (
            key
            for key in keys
            if key.name == lines[0] and any(key.has_signed(body, line) for line in signature_lines)
        ),
        None,
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
