"""GET /openapi.json and GET /docs, made when somebody asks for the first time."""

import asyncio

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from app.reference import page
from app.reference.webpage import HEADERS


class Described:
    """The OpenAPI document of an application, and the page about it.

    Both are kept as they are sent, since anybody may ask for them, and what they were made from is
    given up: it is ten times as large.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api
        self._lock = asyncio.Lock()
        self._answers: tuple[Response, Response] | None = None

    async def document(self, _: Request) -> Response:
        """The document, as JSON."""
        return (await self._made())[0]

    async def page(self, _: Request) -> Response:
        """The page, as HTML."""
        return (await self._made())[1]

    async def _made(self) -> tuple[Response, Response]:
        async with self._lock:
            if self._answers is None:
                # Apart, because it takes a quarter of a second.
                self._answers = await asyncio.to_thread(self._make)
            return self._answers

    def _make(self) -> tuple[Response, Response]:
        document = self._api.openapi()
        self._api.openapi_schema = None
        return JSONResponse(document), HTMLResponse(page.render(document), headers=HEADERS)
