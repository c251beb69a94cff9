"""FastAPI dependencies of what signs in, and of what shows and changes sessions."""

from typing import Annotated

from fastapi import Depends, Request

from app.access.identity.sessions.signing_in import SignIns
from app.access.identity.sessions.site import Site, Sites, is_own_request
from app.core.app_state import state_of
from app.core.errors import OtherOriginError
from app.core.request.context import context_of


async def _site(request: Request) -> Site:
    peer = request.client.host if request.client else ""
    return state_of(request)[Sites].of(peer, context_of(request.scope).headers)


async def _own_page(request: Request, site: "CurrentSite") -> None:
    """Refuse what another site makes a browser send. For routes that need no session yet."""
    if not is_own_request(request.method, context_of(request.scope).headers, site):
        raise OtherOriginError(
            f"Signing in works only from the gateway's own pages: send the header Origin: "
            f"{site.origin}."
        )


async def _sign_ins(request: Request) -> SignIns:
    return state_of(request)[SignIns]


CurrentSite = Annotated[Site, Depends(_site)]
CurrentSignIns = Annotated[SignIns, Depends(_sign_ins)]
OwnPage = Depends(_own_page)
