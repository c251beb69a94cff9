"""A route that calls its endpoint itself: the same responses as FastAPI's, and what it refuses."""

from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Receive, Scope, Send

from app.control_plane.body_reader import DOCUMENT
from app.control_plane.document_route import DirectRoute, DocumentRoute


class Order(BaseModel):
    amount: int = Field(gt=0)


class Receipt(BaseModel):
    text: str
    amount: int


async def _customer(request: Request) -> str:
    return request.headers["x-customer"]


async def order(
    request: Request,
    body: Order,
    customer: Annotated[str, Depends(_customer)],
    note: Annotated[str | None, Header(max_length=5)] = None,
) -> Receipt:
    return Receipt(text=f"{request.url.path} {customer} {note}", amount=body.amount)


class _WithDocument:
    """Parses the document of each request that is JSON, as `BodyReader` does."""

    def __init__(self, app: ASGIApp, document: object) -> None:
        self.app = app
        self.document = document

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.document is not None:
            scope[DOCUMENT] = self.document
        await self.app(scope, receive, send)


def client(document: object) -> httpx.AsyncClient:
    api = FastAPI()
    for path, route_class in (("/direct", DirectRoute), ("/fastapi", DocumentRoute)):
        router = APIRouter()
        router.add_api_route(
            path, order, methods=["POST"], status_code=201, route_class_override=route_class
        )
        api.router.routes.extend(router.routes)
    transport = httpx.ASGITransport(_WithDocument(api, document))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@pytest.mark.parametrize(
    ("document", "headers"),
    [
        ({"amount": 2}, {}),
        ({"amount": 2}, {"note": "short"}),
        ({"amount": 2}, {"note": "too long"}),
        ({"amount": 0}, {}),
        ({"amount": "many"}, {}),
        ({}, {}),
        ([], {}),
        ("text", {"note": "too long"}),
        (None, {}),
    ],
)
async def test_it_responds_as_fastapi_does(document: object, headers: dict[str, str]) -> None:
    headers = {"X-Customer": "Ada", "Content-Type": "application/json", **headers}
    content = b"" if document is None else b"{}"
    async with client(document) as http:
        direct = await http.post("/direct", headers=headers, content=content)
        other = await http.post("/fastapi", headers=headers, content=content)
    assert direct.status_code == other.status_code
    assert direct.text == other.text.replace("/fastapi", "/direct")
    assert direct.headers["content-type"] == other.headers["content-type"]


async def _with_query(request: Request, at: Annotated[str, Query()]) -> str:
    return at


async def by_query(body: Order, at: str) -> Receipt:
    raise NotImplementedError


async def by_dependency(body: Order, at: Annotated[str, Depends(_with_query)]) -> Receipt:
    raise NotImplementedError


@pytest.mark.parametrize("endpoint", [by_query, by_dependency])
def test_an_endpoint_with_other_parameters_is_refused(endpoint: object) -> None:
    with pytest.raises(TypeError, match="query"):
        APIRouter().add_api_route(
            "/orders",
            endpoint,  # type: ignore[arg-type]
            methods=["POST"],
            route_class_override=DirectRoute,
        )
