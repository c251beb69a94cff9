"""Fixtures of the SDK's tests: an environment without credentials, and a scripted gateway."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator

import pytest

from scripted import FakeClock, ScriptedServer, make_client

if TYPE_CHECKING:
    from pathlib import Path

    from hokusai.client import GatewayClient


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the user's own credentials and settings, and those that other tests left behind."""
    for name in [n for n in os.environ if n.startswith(("HOKUSAI_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def isolated_mlflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore what MLflow and the SDK keep globally in a process, and end runs left active."""
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._model_registry import utils as registry_utils
    from mlflow.tracking._tracking_service import utils as tracking_utils

    from hokusai.auth import plugin
    from hokusai.core import registry

    monkeypatch.setattr(tracking_utils, "_tracking_uri", None)
    monkeypatch.setattr(registry_utils, "_registry_uri", None)
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    monkeypatch.setattr(plugin, "active", plugin._ActiveClients())
    monkeypatch.setattr(registry, "_default_registry", None)
    # What the SDK and MLflow set in the environment is removed when these are undone.
    for name in (
        "MLFLOW_TRACKING_AUTH",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "MLFLOW_EXPERIMENT_ID",
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    yield
    while mlflow.active_run() is not None:
        mlflow.end_run()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A gateway that sends the responses a test prescribes, and records the requests."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """A clock that only moves when something sleeps on it."""
    return FakeClock()


@pytest.fixture
def client(server: ScriptedServer, clock: FakeClock) -> GatewayClient:
    """A client of the scripted gateway, with an API key."""
    return make_client(server, clock)
