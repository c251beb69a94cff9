"""The address at which clients reach the gateway, for what pages and documents show."""

from starlette.requests import Request

from app.core.app_state import state_of
from app.core.settings import Settings


def public_address(request: Request) -> str:
    """The public address of the gateway, or else the one at which the connection has arrived.

    Not the Host header, which the caller chooses: a cache could show it to others.
    """
    public_url = state_of(request)[Settings].public_url
    if public_url is not None:
        return public_url
    host, port = request.scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
