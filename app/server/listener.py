"""The socket that the gateway listens on; bound before anything slow starts."""

import socket

from app.core.errors import StartupError


def open_socket(host: str, port: int) -> socket.socket:
    """A TCP socket bound to the address. Port 0 takes a free port.

    Connections are refused until uvicorn listens on it. Raises StartupError where the address
    cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartupError(
            f"HOKUSAI_HOST={host} is not an address of this machine: {error.strerror}"
        ) from None
    listener = socket.socket(family, kind, protocol)
    # Otherwise a port could not be bound while its last connections are still closing.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartupError(
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "stop what uses it, or set HOKUSAI_PORT or HOKUSAI_HOST"
        ) from None
    return listener
