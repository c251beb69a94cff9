"""What the SDK's own tests stand on: a stand-in for a gateway, and an empty environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterator, Mapping

import pytest

from scripted import Pause, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from hokusai.client import GatewayClient


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credential of the user's own, and none that a test left behind."""
    for name in [n for n in os.environ if n.startswith(("HOKUSAI_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A stand-in for a gateway that answers as it is told, and keeps what it was asked."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def pause() -> Pause:
    """Time that passes only where somebody waits."""
    return Pause()


@pytest.fixture
def client(server: ScriptedServer, pause: Pause) -> GatewayClient:
    """A client of the stand-in, with a key."""
    return make_client(server, pause)


def make_client(
    server: ScriptedServer, pause: Pause, options: Mapping[str, Any] | None = None
) -> GatewayClient:
    """A client of the stand-in that waits in the clock of `pause` only."""
    from hokusai.client import GatewayClient
    from hokusai.credentials import Credential
    from hokusai.gateway_url import GatewayURL
    from hokusai.rate_limit import RateLimiter

    return GatewayClient(
        GatewayURL.parse(server.url),
        Credential("hk_live_of_the_tests", False, "a test"),
        rate_limiter=RateLimiter(sleep=pause.sleep, clock=pause.clock),
        **dict(options or {}),
    )
