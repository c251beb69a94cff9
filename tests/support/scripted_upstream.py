"""An upstream server that does what a test's script says: sends any bytes, stalls, resets."""

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.waiting import until

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass
class UpstreamConnection:
    """One connection from the gateway, as the upstream server sees it.

    number: counts the connections of one server, from 0. heads: how many were read.
    """

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heads: int = 0

    async def read_head(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.heads += 1
        return head

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def delivered(self) -> None:
        """Wait until the gateway's side has everything that was sent, so that no reset discards it.

        Source: TIOCOUTQ of tcp(7).
        """
        sock = self.writer.get_extra_info("socket")

        def queued() -> bool:
            (unsent,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
            return bool(unsent or self.writer.transport.get_write_buffer_size())

        await until(lambda: not queued())

    async def respond(self, response: bytes = OK) -> bytes:
        """Read one request without a body, and send the response; return the request's head."""
        head = await self.read_head()
        await self.send(response)
        return head

    async def wait_closed(self) -> None:
        """Read and discard until the gateway has closed the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        reset(self.writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a TCP connection with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Script = Callable[[UpstreamConnection], Awaitable[None]]


@dataclass
class ScriptedUpstream:
    """Runs the script once for each connection, then closes the connection.

    connections: all that were accepted, in order. errors: what scripts raised, apart from the
    connection's end.
    """

    script: Script
    port: int = 0
    connections: list[UpstreamConnection] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    _listener: asyncio.Server | None = None
    _running: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = UpstreamConnection(len(self.connections), reader, writer)
        self.connections.append(connection)
        self._running += 1
        try:
            await self.script(connection)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self._running -= 1

    def stop_listening(self) -> None:
        """Refuse further connections; those that are open stay."""
        assert self._listener is not None
        self._listener.close()

    async def wait_for_scripts(self, seconds: float) -> None:
        """Wait until no script runs, for `seconds` at most: some scripts never end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await until(lambda: not self._running)


@asynccontextmanager
async def scripted_upstream(
    script: Script, tls: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[ScriptedUpstream]:
    """Serve the script on a free loopback port, or on a Unix socket with this path.

    Raises what a script raised, when the block ends.
    """
    upstream = ScriptedUpstream(script)
    if path is None:
        listener = await asyncio.start_server(upstream, "127.0.0.1", 0, ssl=tls)
        upstream.port = listener.sockets[0].getsockname()[1]
    else:
        listener = await asyncio.start_unix_server(upstream, path)
    upstream._listener = listener
    try:
        yield upstream
    finally:
        listener.close()
        await upstream.wait_for_scripts(0.2)
        for connection in upstream.connections:
            with suppress(AttributeError):  # asyncio's, of a connection that has ended already
                connection.writer.transport.abort()
        # The scripts must see the end of their connections before the event loop is closed.
        await upstream.wait_for_scripts(0.05)
    for error in upstream.errors:
        raise error
