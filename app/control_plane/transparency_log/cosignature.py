"""Cosignatures of witnesses on checkpoints (C2SP tlog-cosignature, `cosignature/v1`, Ed25519)."""

from app.control_plane.transparency_log.note_key import NoteKey


class WitnessKey(NoteKey):
    """A witness's public key."""

    # A cosignature with its time.
    TYPE = b"\x04"
    WHAT = "witness key"

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
        raw = self.signature(line)
        if raw is None or len(raw) != 8 + 64:
            return None
        at = int.from_bytes(raw[:8], "big")
        return at if self.verifies(f"cosignature/v1\ntime {at}\n{body}", raw[8:]) else None
