"""Renders pages: Jinja2 templates in one frame, which escape all values."""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import Scope

from app.core.html import page_headers
from app.core.request.context import context_of
from app.core.request.principal import Principal
from app.core.request.principal import Scope as Permission
from app.rest.public_address import public_address
from app.web.filters import FILTERS
from app.web.forms import ListSearch
from app.web.navigation import NAVIGATION
from app.web.next_page import DEFAULT, next_page
from app.web.static_files import static_path

# What a page may load and do: only what is the gateway's own, and nothing that is written in it.
HEADERS = page_headers(
    script_src="'self'",
    style_src="'self'",
    img_src="'self' data:",
    connect_src="'self'",
    form_action="'self'",
    require_trusted_types_for="'script'",
)

_environment = Environment(
    loader=PackageLoader("app.web"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(FILTERS)
_environment.globals.update(navigation=NAVIGATION, static=static_path)


@dataclass(frozen=True)
class Frame:
    """What the frame of every page shows.

    principal: who is signed in, if anybody is. here: the path and query of the page: those of the
    request, or where it sent a form, those of the page with the form.
    """

    principal: Principal | None
    here: str

    @classmethod
    def of(cls, scope: Scope) -> "Frame":
        """The frame for a request."""
        context = context_of(scope)
        if scope["method"] not in ("GET", "HEAD"):
            return cls(context.principal, _page_of_form(context.headers))
        query = scope["query_string"].decode("latin-1")
        here = quote(scope["path"]) + (f"?{query}" if query else "")
        return cls(context.principal, here)

    @property
    def sign_in(self) -> str:
        """Where one signs in, and returns from to this page."""
        return f"/login?{urlencode({'next': self.here})}"

    @property
    def can_read(self) -> bool:
        """Whether pages that need the scope `read` are open."""
        return self.principal is not None and Permission.READ in self.principal.scopes

    @property
    def is_admin(self) -> bool:
        """Whether the pages of operators are open."""
        return self.principal is not None and Permission.ADMIN in self.principal.scopes


async def compile_templates() -> None:
    """Compile all templates, in a thread, so that the first visitor of a page does not wait."""
    for name in _environment.list_templates():
        await asyncio.to_thread(_environment.get_template, name)


def _page_of_form(headers: Mapping[bytes, bytes]) -> str:
    """The path and query of the own page that sent a form; the first page if it is not known."""
    address = headers.get(b"referer", b"").decode("latin-1")
    try:
        parts = urlsplit(address)
    except ValueError:
        return DEFAULT
    if parts.netloc.lower() != headers.get(b"host", b"").decode("latin-1").lower():
        return DEFAULT
    return next_page(parts._replace(scheme="", netloc="", fragment="").geturl())


def render(scope: Scope, template: str, **values: Any) -> str:
    """A page as HTML. template: its file in `templates/`. values: what it shows."""
    return _environment.get_template(template).render(frame=Frame.of(scope), **values)


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    compress: bool = False,
    **values: Any,
) -> HTMLResponse:
    """A page as the response to a request: see `render`. Templates find the gateway's `address`.

    Never stored: it depends on who is signed in. compress: only for pages without anything secret,
    whose length could betray it (the attack BREACH).
    """
    sent = HEADERS | {"cache-control": "no-store"} | dict(headers or {})
    address = public_address(request)
    body = render(request.scope, template, address=address, **values).encode()
    if compress:
        sent["vary"] = "accept-encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            sent["content-encoding"] = "gzip"
            body = gzip.compress(body, 4)
    return HTMLResponse(body, status, sent)


def query(values: Mapping[str, Any]) -> str:
    """A query string with its question mark; empty without values."""
    return f"?{urlencode(values)}" if values else ""


def paging(search: ListSearch, following: str | None) -> dict[str, Any]:
    """What templates show of the pages of a list, by the names that they use.

    search: the request for this page. following: the cursor of the next one, None on the last.
    Returns `chosen`, the conditions, and the query strings of the next page (`following`) and of
    the first one (`first`), each None where there is no need to lead to it.
    """
    chosen = search.chosen()
    return {
        "chosen": chosen,
        "following": query(chosen | {"cursor": following}) if following else None,
        "first": query(chosen) if search.cursor else None,
    }
