"""Responses that nobody reads are held in memory up to a bound, in sum and for each address."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app.edge.held_memory import HeldMemory
from app.edge.http1 import protocol
from app.edge.http1.unread_data import MAX_UNREAD, MAX_UNREAD_OF_ADDRESS
from tests.support.gateway import RunningGateway
from tests.support.raw_http import RawConnection, request
from tests.support.waiting import wait_until

# The largest response of the gateway's own that needs no credential.
PATH = "/openapi.json"
# Nothing listens there, and nothing here needs it.
NO_MLFLOW = "http://127.0.0.1:1"


@pytest.fixture
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel takes only a small part of a response."""
    made = protocol.StrictProtocol.connection_made

    def with_little_room(self: protocol.StrictProtocol, transport: asyncio.Transport) -> None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        made(self, transport)

    monkeypatch.setattr(protocol.StrictProtocol, "connection_made", with_little_room)


@pytest.fixture
def attacked(new_database: Callable[[], str], little_room: None) -> Iterator[RunningGateway]:
    with RunningGateway(new_database(), NO_MLFLOW) as running:
        yield running


class Unread(RawConnection):
    """A connection that has sent a request and reads nothing. source: its loopback address."""

    def __init__(self, gateway: RunningGateway, source: str, *headers: str) -> None:
        super().__init__(gateway)
        self.socket.close()
        self.socket = socket.socket()
        self.socket.settimeout(60)
        # The receive window follows from the buffer before the connection.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind((source, 0))
        self.socket.connect(("127.0.0.1", gateway.port))
        self.send(request(f"GET {PATH} HTTP/1.1", *headers))

    def is_complete(self) -> bool:
        """Whether the whole response can be read."""
        try:
            return self.read_response().status == 200
        except EOFError:
            return False


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def unread(gateway: RunningGateway) -> HeldMemory:
    return gateway.app.unread_responses


@pytest.mark.parametrize("headers", [(), ("Connection: close",)])
def test_of_one_address_they_have_a_bound(
    attacked: RunningGateway, connections: ExitStack, headers: tuple[str, ...]
) -> None:
    memory = unread(attacked)
    assert (memory.total, memory.per_address) == (MAX_UNREAD, MAX_UNREAD_OF_ADDRESS)
    many = [connections.enter_context(Unread(attacked, "127.0.0.1", *headers))]
    wait_until(lambda: memory.size > 0)
    size = memory.size
    memory.per_address = 2 * size + size // 2
    for _ in range(8):
        many.append(connections.enter_context(Unread(attacked, "127.0.0.1", *headers)))
        wait_until(lambda: memory.ended == max(0, len(many) - 2))
        wait_until(lambda: round(memory.size / size) == min(len(many), 2))
    # Those that have waited longest were closed, and their memory is free.
    wait_until(lambda: attacked.connections == 2)
    assert [connection.is_complete() for connection in many] == [False] * 7 + [True] * 2
    wait_until(lambda: memory.size == 0)


def test_the_address_with_the_most_gives_way(
    attacked: RunningGateway, connections: ExitStack
) -> None:
    memory = unread(attacked)
    other = connections.enter_context(Unread(attacked, "127.0.0.2"))
    wait_until(lambda: memory.size > 0)
    size = memory.size
    memory.total = 3 * size + size // 2
    many = []
    for _ in range(5):
        many.append(connections.enter_context(Unread(attacked, "127.0.0.1")))
        wait_until(lambda: memory.ended == max(0, len(many) - 2))
        wait_until(lambda: round(memory.size / size) == min(1 + len(many), 3))
    assert other.is_complete()
    assert [connection.is_complete() for connection in many] == [False] * 3 + [True] * 2


def test_a_client_behind_a_proxy_has_its_own_address(
    new_database: Callable[[], str],
    connections: ExitStack,
    little_room: None,
) -> None:
    with RunningGateway(new_database(), NO_MLFLOW, trusted_proxies="127.0.0.0/8") as gateway:
        memory = unread(gateway)
        for client in ("203.0.113.7", "2001:db8::1", "2001:db8::2"):
            connections.enter_context(Unread(gateway, "127.0.0.1", f"X-Forwarded-For: {client}"))
            wait_until(lambda: memory.size > 0)
        one, other = "203.0.113.7", "2001:db8::/64"
        # The heads of the responses differ by some bytes.
        wait_until(lambda: round(memory.size_of(other) / memory.size_of(one)) == 2)
        connections.close()


def test_what_is_read_in_time_is_not_counted(
    attacked: RunningGateway, connections: ExitStack
) -> None:
    memory = unread(attacked)
    for _ in range(3):
        connection = connections.enter_context(Unread(attacked, "127.0.0.1"))
        wait_until(lambda: memory.size > 0)
        assert connection.is_complete()
        wait_until(lambda: memory.size == 0)
    connection = connections.enter_context(Unread(attacked, "127.0.0.1"))
    wait_until(lambda: memory.size > 0)
    connection.socket.close()
    wait_until(lambda: memory.size == 0)
    assert memory.ended == 0
