"""Public keys of signed notes (C2SP signed-note), with Ed25519."""

import base64
import hashlib
import re
from typing import ClassVar, Self

from Crypto.Signature import eddsa

# The names of keys have no plus sign, no space and no control character, as for the verifiers.
_NAME = re.compile("[^+\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
SIGNATURE_PREFIX = "\N{EM DASH} "


class NoteKey:
    """A public key. As text it is `<name>+<key id>+<base64>`, a signed-note verifier key.

    Each kind of key is a class of its own. A key that is not a point of the curve is refused only
    when it verifies something.
    """

    # The byte for the kind of signatures, and what this kind is called in messages.
    TYPE: ClassVar[bytes]
    WHAT: ClassVar[str]

    def __init__(self, name: str, public_key: bytes) -> None:
        self.name = name
        self._public_key = public_key
        self.key_id = hashlib.sha256(name.encode() + b"\n" + self.TYPE + public_key).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in a text. Raises ValueError for a text that is not a key of this kind."""
        try:
            # Base64 contains plus signs too, but a name contains none.
            name, key_id, encoded = text.split("+", 2)
            raw = decode(encoded)
        except ValueError:
            raise ValueError(f"a {cls.WHAT} is <name>+<key id>+<base64>") from None
        if len(raw) != 33 or raw[:1] != cls.TYPE or _NAME.fullmatch(name) is None:
            raise ValueError(f"the text is not an Ed25519 {cls.WHAT} (type {cls.TYPE[0]})")
        key = cls(name, raw[1:])
        if key.key_id.hex() != key_id.lower():
            raise ValueError(f"the key id does not match the name and key of the {cls.WHAT}")
        return key

    def __str__(self) -> str:
        encoded = base64.b64encode(self.TYPE + self._public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def signature(self, line: str) -> bytes | None:
        """What a signature line has of this key, after the key id; None for other lines."""
        name, _, encoded = line.removeprefix(SIGNATURE_PREFIX).partition(" ")
        if not line.startswith(SIGNATURE_PREFIX) or name != self.name:
            return None
        try:
            raw = decode(encoded)
        except ValueError:
            return None
        return raw[4:] if raw[:4] == self.key_id else None

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether a signature is one of this key over a text."""
        try:
            key = eddsa.import_public_key(self._public_key)
            eddsa.new(key, "rfc8032").verify(text.encode(), signature)
        except ValueError:
            return False
        return True


def decode(text: str) -> bytes:
    """Base64 in its one canonical spelling, without stray bits at its end. Raises ValueError."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("this is not canonical base64")
    return raw
