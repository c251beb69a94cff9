"""The application as uvicorn runs it: an error at start is one that the process can report."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.errors import StartupError
from app.server import application, memory
from app.server.application import Application, startup_failure


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module's state as before, and the garbage collector's."""
    monkeypatch.setattr(application, "_failure", None)
    monkeypatch.setattr(logging.getLogger("uvicorn.error"), "disabled", False)
    monkeypatch.setattr(memory, "freeze_gc", lambda: None)


async def start(messages: list[dict[str, Any]], error: Exception | None = None) -> list[str]:
    """What the server is told of a start at which the gateway sends messages, and may fail."""

    async def gateway(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    told: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message["type"])

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    running: Any = gateway
    running.fast_path = running.unread_responses = SimpleNamespace()
    await Application(running)({"type": "lifespan", "state": {}}, receive, send)
    return told


@pytest.mark.usefixtures("restored")
async def test_a_start_is_reported_as_complete() -> None:
    assert await start([{"type": "lifespan.startup.complete"}]) == ["lifespan.startup.complete"]
    assert startup_failure() is None


@pytest.mark.usefixtures("restored")
async def test_a_startup_error_is_kept_for_the_process_to_report() -> None:
    error = StartupError("HOKUSAI_X is wrong")
    failed = {"type": "lifespan.startup.failed", "message": "Traceback"}
    assert await start([failed], error) == ["lifespan.startup.failed"]
    assert startup_failure() is error
    assert logging.getLogger("uvicorn.error").disabled
