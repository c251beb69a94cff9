"""The pages on which one signs in and out."""

from fastapi import APIRouter, Request, status
from pydantic import ValidationError
from starlette.responses import Response

from app.access.identity.sessions import service
from app.access.identity.sessions.cookie import remove_cookie, set_cookie
from app.access.identity.sessions.dependencies import CurrentSignIns, CurrentSite, OwnPage
from app.access.identity.sessions.endpoints import seconds_left
from app.access.identity.sessions.schemas import SignInRequest
from app.access.identity.sessions.site import Site
from app.core.errors import GatewayError
from app.core.request.context import context_of
from app.rest.dependencies import ChangeSession, CurrentActor
from app.web.forms import read_form, see_other
from app.web.next_page import Next, next_page
from app.web.rendering import page

router = APIRouter(include_in_schema=False)

PUBLIC = frozenset({("GET", "/login"), ("POST", "/login"), ("POST", "/logout")})


@router.get("/login")
async def show_login(request: Request, site: CurrentSite, following: Next = None) -> Response:
    """The page on which one signs in. following: where one goes from there."""
    return _page(request, site, following)


@router.post("/login", dependencies=[OwnPage])
async def sign_in(request: Request, site: CurrentSite, sign_ins: CurrentSignIns) -> Response:
    """Sign in with the key of the form, which needs no script."""
    form = await read_form(request)
    following = form.get("next")
    try:
        body = SignInRequest(key=form.get("key"))
    except ValidationError:
        message = "Paste an API key. It begins with hk_live_."
        return _page(request, site, following, problem=message, status_code=422)
    try:
        begun, secret = await sign_ins.begin(body, site, context_of(request.scope))
    except GatewayError as error:
        if error.status >= 500:
            raise
        context_of(request.scope).reason = error.reason
        return _page(
            request, site, following, problem=error.message, status_code=error.status, error=error
        )
    response = see_other(next_page(following))
    response.raw_headers.append(set_cookie(secret, seconds_left(begun), site))
    return response


@router.post("/logout", dependencies=[OwnPage])
async def sign_out(
    request: Request, site: CurrentSite, session: ChangeSession, actor: CurrentActor
) -> Response:
    """Sign out, and go to the page on which one signs in."""
    principal = context_of(request.scope).principal
    if principal is not None and principal.session is not None:
        found = await service.own_session(session, principal, None)
        await service.end(session, found, actor)
    response = see_other("/login")
    response.raw_headers.append(remove_cookie(site))
    return response


def _page(
    request: Request,
    site: Site,
    following: str | None,
    *,
    problem: str | None = None,
    status_code: int = status.HTTP_200_OK,
    error: GatewayError | None = None,
) -> Response:
    """problem: why signing in failed. error: whose headers the response has as well."""
    headers = {
        name.decode(): value.decode()
        for name, value in (error.headers if error is not None else ())
        if name != b"www-authenticate"  # a browser would ask for a password
    }
    return page(
        request,
        "login.html",
        status=status_code,
        headers=headers,
        following=next_page(following),
        problem=problem,
        site=site,
    )
