"""A client that leaves before its request is finished."""

from typing import NoReturn

from starlette.types import Receive

from app.core.errors import GatewayError


class ClientGoneError(GatewayError):
    """The client has closed its connection: nobody is left to read a response."""

    def __init__(self) -> None:
        super().__init__("The client closed the connection.")


async def wait_for_disconnect(receive: Receive) -> NoReturn:
    """Raise ClientGoneError once the client has left. receive: of ASGI, after the body's end."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGoneError
