"""Bodies past this process: the kernel hands a socket's bytes to another (splice(2), Linux).

Only between two plain TCP sockets, and only for a known number of bytes: who begins has to know
where the body ends, because what is spliced is seen by nobody.
"""

import asyncio
import os
import select
import socket
import sys
from functools import cache

# A body with less than this ahead of it is copied: pipe and descriptors would cost more.
MIN_SIZE = 1024 * 1024
# The most that is moved in one turn of the event loop, for which everybody else waits.
PIPE_SIZE = 256 * 1024
# Enough of them for all that the socket of a lost connection may hold.
_TURNS = 64

if sys.platform == "linux":
    import fcntl

    _FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK

    def _splice(source: int, target: int, size: int) -> int:
        return os.splice(source, target, size, flags=_FLAGS)

    def _pipe() -> tuple[int, int]:
        """A pipe of PIPE_SIZE. Raises OSError where this user's pipes have no more room."""
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
        raise OSError("there is no splice here")

    def _pipe() -> tuple[int, int]:
        raise OSError("there is no splice here")


@cache
def supported() -> bool:
    """Whether sockets can be spliced here: a sandbox may know the call and refuse it."""
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
    """A splice of `size` bytes between the sockets of two transports; None where that cannot be.

    The source must have been paused, and the target have nothing left to write when `run` begins.
    drains: what is still to come is read and forgotten once the target has gone.
    """
    if not supported():
        return None
    loop = asyncio.get_running_loop()
    try:
        taken = _duplicate(source)
        try:
            given = _duplicate(target)
        except OSError:
            os.close(taken)
            raise
        return Splice(loop, taken, given, size, drains)
    except OSError:
        return None  # no plain sockets, no descriptors left, or no room for pipes


def _duplicate(transport: asyncio.Transport) -> int:
    """The transport's socket under another number: the loop lets nobody watch the first one.

    Raises OSError for what is no plain TCP socket, and where no descriptor is left.
    """
    connection = transport.get_extra_info("socket")
    if (
        connection is None
        or connection.family not in (socket.AF_INET, socket.AF_INET6)
        or transport.get_extra_info("sslcontext") is not None
        # The number of a closed one may be somebody else's by now.
        or transport.is_closing()
    ):
        raise OSError("not a plain TCP socket")
    return os.dup(connection.fileno())


class Splice:
    """Moves bytes from one socket to another, one pipeful for each turn of the event loop.

    moved: bytes that have left the source and are with the target. running: between the start of
    `run` and its end. blocked: it is the target that is waited for, not the source. touched: the
    loop's time when a byte moved last, or when it began.
    """

    __slots__ = (
        "_closed",
        "_discarding",
        "_done",
        "_drains",
        "_failure",
        "_held",
        "_inlet",
        "_left",
        "_loop",
        "_outlet",
        "_size",
        "_source",
        "_target",
        "_waited",
        "blocked",
        "moved",
        "running",
        "touched",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, source: int, target: int, size: int, drains: bool
    ) -> None:
        """source, target: descriptors that are this object's from now on, to be closed by it.

        Raises OSError where no pipe can be had.
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
        # Bytes still to be taken from the source, and those of them that are in the pipe.
        self._left = size
        self._held = 0
        self._size = 0
        self._waited = 0.0
        self._drains = drains
        self._closed = self._discarding = False
        self.blocked = self.running = False
        self.moved = 0
        self.touched = loop.time()

    async def run(self) -> int:
        """Move all of it, or as much as there is before the source ends: how much that was.

        Raises OSError when the target has gone, unless it `drains`, or what `fail` was given.
        """
        try:
            if not self._closed:
                self.running = True
                self.touched = self._loop.time()
                self._loop.add_reader(self._source, self._take)
                await self._done
        finally:
            self.close()
        if self._failure is not None:
            raise self._failure
        return self.moved

    def progress(self) -> tuple[int, float]:
        """Bytes that were taken since this was last asked, and seconds for which they kept us."""
        progress = self._size, self._waited
        self._size, self._waited = 0, 0.0
        return progress

    def look(self) -> None:
        """Take what may have come unnoticed; to be called now and then while the source is silent.

        uvloop tells of a connection that was reset only once, even if more can be read than one
        turn takes, and then of nothing more.
        """
        for _ in range(_TURNS):
            if not self.running or self.blocked or not self._take():
                break

    def deserted(self) -> bool:
        """Whether the source will send no more than what its socket holds, or has gone."""
        poll = select.poll()
        # Errors and the end of both directions are told in any case.
        poll.register(self._source, select.POLLRDHUP)
        return bool(poll.poll(0))

    def discard(self) -> None:
        """Give the target nothing more, and read what is still to come only to forget it."""
        if self._discarding or self._closed:
            return
        self._discarding = True
        self.moved += self._held
        self._held = 0
        self._unblock()
        # Not kept open for nothing: the peer is to see that we have left it.
        os.close(self._target)
        self._target = -1
        if self.running and not self._left:
            self.close()

    def fail(self, error: Exception) -> None:
        """Stop here and now; `run` raises the error."""
        if self._failure is None and not self._closed:
            self._failure = error
        self.close()

    def close(self) -> None:
        """Stop, and give everything back; `run` returns."""
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

    # --- one turn ---

    def _take(self) -> bool:
        """Whether there was anything."""
        size = min(self._left, PIPE_SIZE)
        try:
            if self._discarding:
                taken = len(os.read(self._source, size))
            else:
                taken = _splice(self._source, self._inlet, size)
        except BlockingIOError:
            return False
        except OSError:
            taken = 0  # whoever reads on finds the end, and knows what to make of it
        if not taken:
            self.close()
            return False
        now = self._loop.time()
        self._waited += now - self.touched
        self._size += taken
        self._left -= taken
        self.touched = now
        if self._discarding:
            self.moved += taken
        else:
            self._held = taken
        self._give()
        return True

    def _give(self) -> None:
        try:
            while self._held:
                given = _splice(self._outlet, self._target, self._held)
                self._held -= given
                self.moved += given
                self.touched = self._loop.time()
        except BlockingIOError:
            if not self.blocked:
                self.blocked = True
                self._loop.remove_reader(self._source)
                self._loop.add_writer(self._target, self._give)
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
        """Wait for the source again, where the target was waited for."""
        if self.blocked:
            self.blocked = False
            self.touched = self._loop.time()
            self._loop.remove_writer(self._target)
            self._loop.add_reader(self._source, self._take)
