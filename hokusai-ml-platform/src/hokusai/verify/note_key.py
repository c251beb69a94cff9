"""Public keys of signed notes (C2SP signed-note), with Ed25519."""

from __future__ import annotations

import base64
import hashlib
import re

from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from hokusai.verify.canonical_base64 import decode
from hokusai.verify.strict_json import SPACES

# The names of keys have no plus sign, no space and no control character. These are the spaces of
# Unicode, which `\\s` of other languages has not all.
NAME = re.compile("[^+\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
# DER before the 32 bytes of an Ed25519 public key (RFC 8410, section 4).
_SUBJECT_PUBLIC_KEY_INFO = bytes.fromhex("302a300506032b6570032100")
_SIGNATURE_MARK = "\N{EM DASH} "


class NoteKey:
    """A public key, `<name>+<key id>+<base64>`. Each kind of key is a class of its own.

    Attributes:
        name: The name of the key.
        key_id: The first 4 bytes of the hash of name and key.
        public: The 32 bytes of the key.
    """

    # The byte for the kind of signatures, and what this kind is called in messages.
    type: bytes
    what: str

    def __init__(self, text: str) -> None:
        """Parse the key.

        Raises:
            ValueError: This is not a valid key of this kind.
        """
        # Base64 may contain plus signs; a name may not.
        parts = text.strip(SPACES).split("+", 2)
        if len(parts) != 3 or NAME.fullmatch(parts[0]) is None:
            raise ValueError(f"a {self.what} has the form <name>+<key id>+<base64>")
        self.name, key_id, encoded = parts
        raw = decode(encoded)
        if len(raw) != 33 or raw[:1] != self.type:
            raise ValueError(f"the {self.what} is not an Ed25519 key")
        self.key_id = key_id_of(self.name, raw)
        if self.key_id.hex() != key_id.lower():
            raise ValueError(f"the id of the {self.what} does not match its name and key")
        self.public = raw[1:]
        self._verifier = eddsa.new(
            ECC.import_key(_SUBJECT_PUBLIC_KEY_INFO + raw[1:]), mode="rfc8032"
        )

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}"

    def signature(self, line: str) -> bytes | None:
        """Return the bytes after the key id in a signature line of this key; None for others."""
        name, _, encoded = line[len(_SIGNATURE_MARK) :].partition(" ")
        if not line.startswith(_SIGNATURE_MARK) or name != self.name:
            return None
        try:
            raw = decode(encoded)
        except ValueError:
            return None
        return raw[4:] if raw[:4] == self.key_id else None

    def verifies(self, text: str, signature: bytes) -> bool:
        """Return whether a signature is one of this key over a text."""
        try:
            self._verifier.verify(text.encode(), signature)
        except ValueError:
            return False
        return True


def key_id_of(name: str, raw: bytes) -> bytes:
    """Return the id of a key: 4 bytes. `raw` is the byte for its kind, and the key."""
    return hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]


def key_text(name: str, raw: bytes) -> str:
    """Return a key as text."""
    return f"{name}+{key_id_of(name, raw).hex()}+{base64.b64encode(raw).decode()}"


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """Return a signature line of a note, with its line break."""
    return f"{_SIGNATURE_MARK}{name} {base64.b64encode(key_id + signature).decode()}\n"
