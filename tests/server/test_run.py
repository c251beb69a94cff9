"""uvicorn's options: it adds no header and no log line of its own."""

import asyncio

import pytest
import uvicorn

from app.core.settings import Settings
from app.edge.http1.protocol import StrictProtocol
from app.server.run import protocol, uvicorn_options


def test_uvicorn_accepts_every_option() -> None:
    config = uvicorn.Config("unused", **uvicorn_options(Settings()))
    assert (config.server_header, config.date_header, config.access_log) == (False, False, False)
    assert config.proxy_headers is False


@pytest.mark.parametrize(("period", "seconds"), [(0.2, 1), (30, 30), (30.9, 30)])
def test_requests_have_the_grace_period_to_finish_and_at_least_a_second(
    period: float, seconds: int
) -> None:
    options = uvicorn_options(Settings(shutdown_grace_period=period))
    assert options["timeout_graceful_shutdown"] == seconds


async def test_each_connection_gets_the_strict_protocol() -> None:
    config = uvicorn.Config("unused", **uvicorn_options(Settings()))
    config.load_app = lambda: None  # type: ignore[method-assign]
    config.loaded_app = None
    config.encoded_headers = []
    state = uvicorn.Server(config).server_state
    made = protocol(
        config=config, server_state=state, app_state={}, _loop=asyncio.get_running_loop()
    )
    assert isinstance(made, StrictProtocol)
