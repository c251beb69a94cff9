"""GET /openapi.json and GET /docs, made when somebody asks for the first time."""

import asyncio
from html import escape

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.control_plane.reference import page
from app.core.app_state import state_of
from app.core.html import HEADERS
from app.core.settings import Settings


class ReferenceEndpoints:
    """The OpenAPI document of an application, and the page about it.

    Both are kept, since anybody may ask for them, and what they were made from is given up: it is
    ten times as large.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._lock = asyncio.Lock()
        self._kept: tuple[Response, str] | None = None

    async def document(self, _: Request) -> Response:
        """The document, as JSON."""
        return (await self._made())[0]

    async def page(self, request: Request) -> Response:
        """The page, as HTML, with the address that the gateway has for who asks."""
        text = (await self._made())[1]
        public_url = state_of(request)[Settings].public_url
        address = public_url or str(request.base_url).rstrip("/")
        return HTMLResponse(text.replace(page.ADDRESS, escape(address)), headers=HEADERS)

    async def _made(self) -> tuple[Response, str]:
        async with self._lock:
            if self._kept is None:
                # Apart, because it takes a quarter of a second.
                self._kept = await asyncio.to_thread(self._make)
            return self._kept

    def _make(self) -> tuple[Response, str]:
        document = self._api.openapi()
        self._api.openapi_schema = None
        return JSONResponse(document), page.render(document)
