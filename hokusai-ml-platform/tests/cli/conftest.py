"""Running the command in the test's own process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import pytest

from hokusai.cli.main import main
from scripted import ScriptedServer

KEY = "hk_live_" + "k" * 43 + "_000000"

# A model, as the gateway's responses have it.
MODEL: dict[str, Any] = {
    "model_id": "hkm_1",
    "kind": "baseline",
    "mlflow_name": "churn",
    "mlflow_version": "3",
    "model_type": "classification",
    "tenant": "acme",
    "run_id": None,
    "metrics": {"accuracy": 0.85},
    "baseline_model_id": None,
    "delta": {},
    "contributors": [],
    "token_id": None,
    "private": False,
    "attestations": [],
    "created_at": "2026-11-23T10:05:53Z",
    "warnings": [],
}


@dataclass(frozen=True)
class Outcome:
    """The exit code of a command, and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `hokusai` with arguments. No output may contain a traceback or the API key."""

    def run(*arguments: str) -> Outcome:
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return Outcome(code, out, err)

    return run


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> ScriptedServer:
    """The scripted gateway, which the environment names, with a key."""
    monkeypatch.setenv("HOKUSAI_API_KEY", KEY)
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    return server
