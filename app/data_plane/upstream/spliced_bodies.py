"""The middle part of a large body, moved from socket to socket by the kernel (see splice.py).

The beginning of each body is copied, because it has been read together with the head. The rest is
spliced where that pays and both connections are plain TCP; where it cannot be done, all of the body
is copied.
"""

from app.core.min_rate import MinimumDataRate
from app.data_plane.upstream.connection import Connection
from app.data_plane.upstream.disconnect import ClientGoneError
from app.data_plane.upstream.interfaces import ZeroCopyChannel
from app.data_plane.upstream.splice import Splice, splice_between
from app.data_plane.upstream.timeouts import WATCH_AFTER, TransferLimits

# A body of which no more than this many bytes are still to come is copied: a pipe and descriptors
# would cost more.
MIN_SIZE = 1024 * 1024
# The last bytes of a response are copied in any case: whether MLflow sends more than it announced
# can be seen only of bytes that are read, and must be known before the client has all of the body.
TAIL = 64 * 1024


def hold_upload(channel: ZeroCopyChannel, left: int) -> bool:
    """Leave the rest of a request's body in the client's socket, if splicing it would pay.

    left: bytes still to come. To be called right after `receive`, before more can be read.
    """
    return left > MIN_SIZE and channel.hold_body()


def splice_upload(channel: ZeroCopyChannel, conn: Connection, size: int) -> "SplicedUpload | None":
    """What moves the next `size` bytes of a held upload; None where they have to be copied."""
    splice = splice_between(channel.transport, conn.transport, size, drains=True)
    return None if splice is None else SplicedUpload(channel, conn, splice)


def splice_response(
    channel: ZeroCopyChannel, conn: Connection, unsent: int
) -> "SplicedResponse | None":
    """Leave the rest of a response in MLflow's socket, if it can be spliced and that pays.

    unsent: bytes of the body that have been read and are not sent yet. To be called before more of
    it is awaited.
    """
    if conn.closed or conn.remaining <= MIN_SIZE + TAIL:
        return None
    if not channel.can_splice(unsent + conn.remaining):
        return None
    splice = splice_between(conn.transport, channel.transport, conn.remaining - TAIL)
    if splice is None:
        return None
    conn.hold_body()
    return SplicedResponse(channel, conn, splice)


class _SplicedBody:
    """A splice between the client's connection and that to the upstream."""

    __slots__ = ("_channel", "_conn", "_splice")

    def __init__(self, channel: ZeroCopyChannel, conn: Connection, splice: Splice) -> None:
        self._channel = channel
        self._conn = conn
        self._splice = splice

    @property
    def running(self) -> bool:
        return self._splice.running


class SplicedUpload(_SplicedBody):
    """Moves the rest of a request's body to the upstream."""

    __slots__ = ()

    async def run(self) -> int:
        """Move the bytes; how many were moved. Raises OSError, or the error of `fail`."""
        await self._conn.flush()
        return await self._splice.run()

    def check_timeouts(self, now: float, limits: TransferLimits, rate: MinimumDataRate) -> None:
        """Raise for whichever side has been silent too long. now: the event loop's time.

        Raises SlowRequestError, UpstreamTimeoutError and ClientGoneError.
        """
        splice = self._splice
        if now - splice.last_activity > WATCH_AFTER:
            splice.poll_source()
            if not splice.running:
                return
        silent = now - splice.last_activity
        if self._conn.closed:
            splice.discard()
        if splice.blocked:
            # Nothing is read meanwhile, so the event loop does not notice that the client leaves.
            if splice.source_ended():
                raise ClientGoneError
            limits.check_upstream(silent)
        else:
            limits.check_sender(silent)
            rate.record(*splice.take_progress())

    def discard(self) -> None:
        """Read what is still to come, and forget it."""
        self._splice.discard()

    def fail(self, error: Exception) -> None:
        """Stop; `run` raises the error."""
        self._splice.fail(error)

    def close(self) -> None:
        """Give the splice back, and count what went through it. To be called once."""
        self._splice.close()
        self._channel.count_body(self._splice.moved)


class SplicedResponse(_SplicedBody):
    """Moves the rest of a response's body, except for its TAIL, to the client."""

    __slots__ = ()

    async def flush(self) -> None:
        """Wait until what was sent before is in the client's socket."""
        await self._channel.flush()

    async def run(self) -> int:
        """Move the bytes; how many were moved.

        Raises ClientGoneError, or the error of `fail`.
        """
        try:
            return await self._splice.run()
        except OSError:
            self._channel.client_gone()
            raise ClientGoneError from None

    def check_timeouts(self, now: float, limits: TransferLimits) -> None:
        """Raise for whichever side has been silent too long. now: the event loop's time.

        Raises SlowRequestError and UpstreamTimeoutError.
        """
        splice = self._splice
        if now - splice.last_activity > WATCH_AFTER:
            splice.poll_source()
            if not splice.running:
                return
        silent = now - splice.last_activity
        if splice.blocked:
            self._channel.check_send_timeout(silent)
            limits.check_reader(silent)
        elif self._conn.closed:
            splice.close()  # the error is raised where the connection is read next
        else:
            limits.check_upstream(silent)

    def fail(self, error: Exception) -> None:
        """Stop; `run` raises the error."""
        self._splice.fail(error)

    def close(self) -> None:
        """Give the splice back, and count what went through it. To be called once."""
        self._splice.close()
        self._channel.count_response(self._splice.moved)
