"""Bodies that go past this process: the kernel moves bytes between sockets (splice(2), Linux).

It works between two plain TCP sockets only, and for a known number of bytes: the caller has to know
where the body ends, because this process does not see the bytes.
"""

import asyncio
import os
import select
import socket
import sys
from functools import cache

# Bytes that the pipe holds, and so the most that is moved in one turn of the event loop, for which
# all other connections wait.
PIPE_SIZE = 256 * 1024
# How often `poll_source` reads in a row: enough for all that the socket of a lost connection holds.
_MAX_READS = 64

if sys.platform == "linux":
    import fcntl

    _FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK

    def _splice(source: int, target: int, size: int) -> int:
        return os.splice(source, target, size, flags=_FLAGS)

    def _pipe() -> tuple[int, int]:
        """A pipe of PIPE_SIZE bytes. Raises OSError where the user's limit on pipes is reached."""
        outlet, inlet = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(inlet, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        except OSError:
            os.close(outlet)
            os.close(inlet)
            raise
        return outlet, inlet

else:

    def _splice(source: int, target: int, size: int) -> int:
        raise OSError("splice is available on Linux only")

    def _pipe() -> tuple[int, int]:
        raise OSError("splice is available on Linux only")


@cache
def supported() -> bool:
    """Whether sockets can be spliced here. Tried out, because a sandbox may forbid the call."""
    try:
        outlet, inlet = _pipe()
    except OSError:
        return False
    one, other = socket.socketpair()
    try:
        with one, other:
            one.send(b"x")
            _splice(other.fileno(), inlet, 1)
            _splice(outlet, other.fileno(), 1)
            return one.recv(1) == b"x"
    except OSError:
        return False
    finally:
        os.close(outlet)
        os.close(inlet)


def splice_between(
    source: asyncio.Transport, target: asyncio.Transport, size: int, *, drains: bool = False
) -> "Splice | None":
    """A splice of `size` bytes between the sockets of two transports; None where impossible.

    When `run` starts, the source must be paused, and the target's write buffer be empty. drains:
    once the target has gone, the rest is read from the source and forgotten.
    """
    if not supported():
        return None
    loop = asyncio.get_running_loop()
    try:
        source_fd = _duplicate(source)
        try:
            target_fd = _duplicate(target)
        except OSError:
            os.close(source_fd)
            raise
        return Splice(loop, source_fd, target_fd, size, drains)
    except OSError:
        return None  # not plain sockets, no descriptors left, or no room for another pipe


def _duplicate(transport: asyncio.Transport) -> int:
    """A duplicate of the transport's descriptor, because the loop refuses to watch the original.

    Raises OSError for anything but a plain socket, and where no descriptor is left.
    """
    connection = transport.get_extra_info("socket")
    if (
        connection is None
        or connection.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
        or transport.get_extra_info("sslcontext") is not None
        # The descriptor of a closed socket may belong to another one by now.
        or transport.is_closing()
    ):
        raise OSError("not a plain socket")
    return os.dup(connection.fileno())


class Splice:
    """Moves bytes from one socket to another, at most one pipe's content in a turn of the loop.

    moved: bytes that have left the source and are in the target's socket. running: between the
    start of `run` and its end. blocked: it waits for the target, not for the source. last_activity:
    the event loop's time when a byte was moved last, or when it started.
    """

    __slots__ = (
        "_closed",
        "_discarding",
        "_done",
        "_drains",
        "_failure",
        "_in_pipe",
        "_inlet",
        "_left",
        "_loop",
        "_outlet",
        "_read",
        "_source",
        "_target",
        "_waited",
        "blocked",
        "last_activity",
        "moved",
        "running",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, source: int, target: int, size: int, drains: bool
    ) -> None:
        """source, target: descriptors, which this object closes, even where it raises.

        Raises OSError where no pipe can be made.
        """
        self._loop = loop
        self._source = source
        self._target = target
        try:
            self._outlet, self._inlet = _pipe()
        except OSError:
            os.close(source)
            os.close(target)
            raise
        self._done: asyncio.Future[None] = loop.create_future()
        self._failure: Exception | None = None
        # Bytes still to be read from the source, and bytes that are in the pipe.
        self._left = size
        self._in_pipe = 0
        # Bytes read since `take_progress`, and seconds that the source was waited for.
        self._read = 0
        self._waited = 0.0
        self._drains = drains
        self._closed = self._discarding = False
        self.blocked = self.running = False
        self.moved = 0
        self.last_activity = loop.time()

    async def run(self) -> int:
        """Move all bytes, or as many as there are before the source ends; how many were moved.

        Raises OSError when the target has gone, unless it `drains`, and the error of `fail`.
        """
        try:
            if not self._closed:
                self.running = True
                self.last_activity = self._loop.time()
                self._loop.add_reader(self._source, self._read_source)
                await self._done
        finally:
            self.close()
        if self._failure is not None:
            raise self._failure
        return self.moved

    def take_progress(self) -> tuple[int, float]:
        """Bytes read since the last call, and seconds for which the source was waited for."""
        progress = self._read, self._waited
        self._read, self._waited = 0, 0.0
        return progress

    def poll_source(self) -> None:
        """Read what has arrived unnoticed; to be called periodically while the source is silent.

        uvloop reports a connection that was reset only once, even if its socket holds more than one
        turn reads, and nothing after that.
        """
        for _ in range(_MAX_READS):
            if not self.running or self.blocked or not self._read_source():
                break

    def source_ended(self) -> bool:
        """Whether the source will send no more than what its socket holds, or has gone."""
        poll = select.poll()
        # Errors, and the end of both directions, are reported in any case.
        poll.register(self._source, select.POLLRDHUP)
        return bool(poll.poll(0))

    def discard(self) -> None:
        """Send the target nothing more; read the rest from the source and forget it."""
        if self._discarding or self._closed:
            return
        self._discarding = True
        self.moved += self._in_pipe
        self._in_pipe = 0
        self._unblock()
        # A socket is closed with its last descriptor: the peer is to see that we have left.
        os.close(self._target)
        self._target = -1
        if self.running and not self._left:
            self.close()

    def fail(self, error: Exception) -> None:
        """Stop; `run` raises the error."""
        if self._failure is None and not self._closed:
            self._failure = error
        self.close()

    def close(self) -> None:
        """Stop, and close all descriptors; `run` returns. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        if self.running:
            self._loop.remove_reader(self._source)
            if self.blocked:
                self._loop.remove_writer(self._target)
        self.running = self.blocked = False
        for descriptor in (self._source, self._target, self._outlet, self._inlet):
            if descriptor >= 0:
                os.close(descriptor)
        if not self._done.done():
            self._done.set_result(None)

    # --- one turn of the event loop ---

    def _read_source(self) -> bool:
        """Move bytes from the source into the pipe, and on; whether there were any."""
        size = min(self._left, PIPE_SIZE)
        try:
            if self._discarding:
                read = len(os.read(self._source, size))
            else:
                read = _splice(self._source, self._inlet, size)
        except BlockingIOError:
            return False
        except OSError:
            read = 0  # the transport meets the error again, when it reads on
        if not read:
            self.close()
            return False
        now = self._loop.time()
        self._waited += now - self.last_activity
        self._read += read
        self._left -= read
        self.last_activity = now
        if self._discarding:
            self.moved += read
        else:
            self._in_pipe = read
        self._write_target()
        return True

    def _write_target(self) -> None:
        """Move bytes from the pipe to the target; stop reading while the target takes none."""
        try:
            while self._in_pipe:
                written = _splice(self._outlet, self._target, self._in_pipe)
                self._in_pipe -= written
                self.moved += written
                self.last_activity = self._loop.time()
        except BlockingIOError:
            if not self.blocked:
                self.blocked = True
                self._loop.remove_reader(self._source)
                self._loop.add_writer(self._target, self._write_target)
            return
        except OSError as error:
            if self._drains:
                self.discard()
            else:
                self.fail(error)
            return
        self._unblock()
        if not self._left:
            self.close()

    def _unblock(self) -> None:
        """Wait for the source again, if the target was waited for."""
        if self.blocked:
            self.blocked = False
            self.last_activity = self._loop.time()
            self._loop.remove_writer(self._target)
            self._loop.add_reader(self._source, self._read_source)
