"""What the endpoints for keys and tokens get from FastAPI."""

import httpx
from fastapi import FastAPI

from app.access.identity.dependencies import CurrentPeppers
from app.access.identity.peppers import Peppers
from app.core.app_state import AppState


async def test_the_peppers_are_those_of_the_application() -> None:
    api = FastAPI()
    api.state.services = AppState({Peppers: Peppers((b"retired",), b"current")})

    @api.get("/")
    async def endpoint(peppers: CurrentPeppers) -> int:
        return peppers.version

    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.get("/")).json() == 2
