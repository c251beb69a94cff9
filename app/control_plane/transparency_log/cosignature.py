"""Cosignatures of witnesses on checkpoints (C2SP tlog-cosignature, `cosignature/v1`, Ed25519)."""

import base64
import hashlib
from typing import Self

from Crypto.Signature import eddsa

from app.control_plane.transparency_log.checkpoint import SIGNATURE_PREFIX, decode

_TYPE = b"\x04"


class WitnessKey:
    """A witness's public key. As text it is `<name>+<key id>+<base64>`, as for a log.

    A key that is not a point of the curve is refused only when it verifies something.
    """

    def __init__(self, name: str, public_key: bytes) -> None:
        self.name = name
        self._public_key = public_key
        self._key_id = hashlib.sha256(name.encode() + b"\n" + _TYPE + public_key).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in a text. Raises ValueError for a text that is not a witness's key."""
        try:
            name, key_id, encoded = text.split("+", 2)
            raw = decode(encoded)
        except ValueError:
            raise ValueError("a witness's key is <name>+<key id>+<base64>") from None
        if len(raw) != 33 or raw[:1] != _TYPE or not name:
            raise ValueError("the key is not an Ed25519 key of a witness (type 4)")
        key = cls(name, raw[1:])
        if key._key_id.hex() != key_id.lower():
            raise ValueError("the key id does not match the name and the key")
        return key

    def __str__(self) -> str:
        encoded = base64.b64encode(_TYPE + self._public_key).decode()
        return f"{self.name}+{self._key_id.hex()}+{encoded}"

    def find(self, body: str, lines: str) -> tuple[str, int] | None:
        """This witness's cosignature of a checkpoint among signature lines, with its time.

        body: the text of the checkpoint. The time is in seconds since 1970-01-01 UTC.
        """
        for line in lines.splitlines():
            at = self._time(body, line)
            if at is not None:
                return line, at
        return None

    def _time(self, body: str, line: str) -> int | None:
        name, _, encoded = line.removeprefix(SIGNATURE_PREFIX).partition(" ")
        if not line.startswith(SIGNATURE_PREFIX) or name != self.name:
            return None
        try:
            raw = decode(encoded)
            if raw[:4] != self._key_id or len(raw) != 4 + 8 + 64:
                return None
            at = int.from_bytes(raw[4:12], "big")
            signed = f"cosignature/v1\ntime {at}\n{body}".encode()
            eddsa.new(eddsa.import_public_key(self._public_key), "rfc8032").verify(signed, raw[12:])
        except ValueError:
            return None
        return at
