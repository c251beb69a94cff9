"""What a witness decides: the request `add-checkpoint` of C2SP tlog-witness."""

from __future__ import annotations

import base64
import re
import threading
import time
from dataclasses import dataclass
from typing import Callable, Mapping, Sequence

from hokusai.verify import merkle
from hokusai.verify.checkpoint import Checkpoint, LogKey, parse_checkpoint
from hokusai.witness.signing import WitnessSigner
from hokusai.witness.state import Seen, WitnessState

# Bytes of a request: 63 lines of a proof, and a checkpoint with some signatures.
MAX_REQUEST = 16 * 1024
MAX_PROOF = 63
SIZE_TYPE = "text/x.tlog.size"
_OLD = re.compile(r"old (0|[1-9][0-9]{0,15})")


class Refused(Exception):  # noqa: N818 - what a witness does, and no failure
    """A request is refused.

    Attributes:
        status: The status of the HTTP response.
        text: Its body.
        content_type: The type of the body.
    """

    def __init__(
        self, status: int, text: str, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.content_type = content_type


@dataclass(frozen=True)
class _Request:
    old: int
    proof: Sequence[bytes]
    note: str


class Witness:
    """Cosigns checkpoints of the logs that it knows."""

    def __init__(
        self,
        signer: WitnessSigner,
        state: WitnessState,
        logs: Mapping[str, Sequence[LogKey]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Set up the witness.

        Args:
            signer: Its key.
            state: Its files.
            logs: The keys of each log, by its origin.
            clock: The time in seconds since 1970-01-01 UTC.
        """
        self.signer = signer
        self._state = state
        self._logs = logs
        self._clock = clock
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> str:
        """Cosign a checkpoint.

        Args:
            body: The body of the request.

        Returns:
            The line with the cosignature. What is cosigned is on the disk by then.

        Raises:
            Refused: The checkpoint is not cosigned.
        """
        request = _parse(body)
        keys = self._logs.get(request.note.split("\n", 1)[0])
        if keys is None:
            raise Refused(404, "This witness does not know the log.")
        try:
            checkpoint = parse_checkpoint(request.note, keys)
        except ValueError as error:
            raise Refused(400, f"This is not a valid checkpoint: {error}.") from None
        if checkpoint.signed_by is None:
            raise Refused(403, "No key of the log has signed the checkpoint.")
        if request.old > checkpoint.size:
            raise Refused(400, "The old size is larger than that of the checkpoint.")
        # Two requests at once must not both extend the same checkpoint.
        with self._lock:
            at = self._extend(request, checkpoint)
        return self.signer.cosign(request.note.rpartition("\n\n")[0] + "\n", at)

    def _extend(self, request: _Request, checkpoint: Checkpoint) -> int:
        """Record the checkpoint, if it extends what was cosigned. Returns the time."""
        origin, size, root = checkpoint.origin, checkpoint.size, checkpoint.root
        before = self._state.seen(origin) or Seen(0, merkle.EMPTY_ROOT, 0)
        is_fork = before.size == size and before.root != root
        if is_fork:
            self._state.save_fork(origin, request.note, before)
        if is_fork or request.old != before.size:
            raise Refused(409, f"{before.size}\n", SIZE_TYPE)
        if not merkle.consistency_holds(before.size, size, request.proof, before.root, root):
            raise Refused(
                422, "The proof does not show that the checkpoint extends the one before it."
            )
        # A clock that was set back must not make a newer cosignature look older.
        at = max(int(self._clock()), before.time)
        self._state.save(origin, Seen(size, root, at), request.note)
        return at


def _parse(body: bytes) -> _Request:
    try:
        head, separator, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Refused(400, "The request is not text in UTF-8.") from None
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or not separator:
        raise Refused(400, "The request must have `old` with a size, a proof, and a checkpoint.")
    if len(lines) > MAX_PROOF:
        raise Refused(400, f"The proof has more than {MAX_PROOF} lines.")
    return _Request(int(old[1]), [_hash(line) for line in lines], note)


def _hash(line: str) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != 32 or base64.b64encode(raw).decode() != line:
        raise Refused(400, "A line of the proof is not a hash of 32 bytes in base64.")
    return raw
