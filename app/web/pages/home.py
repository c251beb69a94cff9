"""GET /: what this registry is, for those who come for the first time."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.rest.public_address import public_address
from app.web.rendering import page

router = APIRouter(include_in_schema=False)

PUBLIC = frozenset({("GET", "/")})


@router.get("/")
async def home(request: Request) -> Response:
    """The first page."""
    return page(request, "home.html", address=public_address(request))
