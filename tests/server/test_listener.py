"""The listening socket is bound before anything slow starts, or the start fails with the reason."""

import socket

import pytest

from app.core.errors import StartupError
from app.server.listener import open_socket


def test_port_0_takes_a_free_port() -> None:
    with open_socket("127.0.0.1", 0) as one, open_socket("127.0.0.1", 0) as other:
        assert one.getsockname()[1] != other.getsockname()[1]


def test_connections_are_refused_until_the_server_listens() -> None:
    with open_socket("127.0.0.1", 0) as listener:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listener.getsockname())
        listener.listen()
        socket.create_connection(listener.getsockname()).close()


def test_a_port_in_use_is_named_with_what_to_do() -> None:
    with open_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(StartupError, match=rf"127\.0\.0\.1 port {port}: .*HOKUSAI_PORT"):
            open_socket("127.0.0.1", port)


def test_an_address_of_another_machine_is_named() -> None:
    # RFC 5737: an address for documentation, which no machine has.
    with pytest.raises(StartupError, match=r"192\.0\.2\.1 .*HOKUSAI_HOST"):
        open_socket("192.0.2.1", 0)


def test_a_host_that_does_not_resolve_is_named() -> None:
    with pytest.raises(StartupError, match=r"HOKUSAI_HOST=no\.such\.invalid"):
        open_socket("no.such.invalid", 0)


def test_ipv6_is_possible() -> None:
    with open_socket("::1", 0) as listener:
        assert listener.family == socket.AF_INET6
