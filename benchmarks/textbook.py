"""A gateway as in textbooks: a FastAPI route, one shared httpx client, and slowapi.

It is run by uvicorn without options. `UPSTREAM` and `API_KEY` come from the environment.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from slowapi import Limiter
from slowapi.middleware import SlowAPIMiddleware
from slowapi.util import get_remote_address
from starlette.background import BackgroundTask

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"], timeout=110) as client:
        app.state.client = client
        yield


def authenticate(authorization: Annotated[str, Header()]) -> None:
    expected = f"Bearer {os.environ['API_KEY']}"
    if not secrets.compare_digest(authorization.encode(), expected.encode()):
        raise HTTPException(401, "Invalid API key")


app = FastAPI(lifespan=lifespan)
app.state.limiter = Limiter(key_func=get_remote_address, default_limits=["1000000000/minute"])
app.add_middleware(SlowAPIMiddleware)


@app.api_route(
    "/api/mlflow/{path:path}",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    dependencies=[Depends(authenticate)],
)
async def forward(path: str, request: Request) -> StreamingResponse:
    client: httpx.AsyncClient = request.app.state.client
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in HOP_BY_HOP | {"host", "authorization"}
    }
    has_body = "content-length" in headers or "transfer-encoding" in request.headers
    outbound = client.build_request(
        request.method,
        f"/{path}",
        params=request.query_params,
        headers=headers,
        content=request.stream() if has_body else None,
    )
    response = await client.send(outbound, stream=True)
    return StreamingResponse(
        response.aiter_raw(),
        status_code=response.status_code,
        headers={name: value for name, value in response.headers.items() if name not in HOP_BY_HOP},
        background=BackgroundTask(response.aclose),
    )
