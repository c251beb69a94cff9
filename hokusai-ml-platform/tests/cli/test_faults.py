"""What failures look like: a line, a code, and no secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hokusai.cli import main as entry
from scripted import Answer, ScriptedServer, problem

from .conftest import KEY, Command

IMPROVED = ["register", "improved", "--baseline", "m", "--run", "r"]
HOSTILE = "\x1b[2J[red]\u202e"


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, server: ScriptedServer) -> ScriptedServer:
    monkeypatch.setenv("HOKUSAI_API_KEY", KEY)
    monkeypatch.setenv("HOKUSAI_URL", server.url)
    return server


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["models", "show"],
        ["models", "list", "--kind", "x"],
        ["models", "list", "--limit", "0"],
        ["register", "baseline", "--type", "x"],
        ["register", "baseline", "--run", "r"],
        ["register", "baseline", "--type", "x", "--run", "r", "--model-uri", "runs:/r/model"],
        ["register", "baseline", "--type", "x", "--run", "r", "--metric", "accuracy"],
        ["register", "baseline", "--type", "x", "--run", "r", "--metric", "accuracy=high"],
        ["register", "baseline", "--type", "x", "--run", "r", "--metric", "a=1", "--metric", "a=2"],
        ["register", "baseline", "--type", "x", "--run", "r", "--metadata", "[]"],
        ["register", "baseline", "--type", "x", "--run", "r", "--metadata", "@missing.json"],
        ["register", "baseline", "--type", "x", "--model", "missing"],
        ["register", "baseline", "--type", "x", "--model", "."],
        IMPROVED,
        [*IMPROVED, "--contributor", "0x", "--data", "missing"],
        ["attest"],
        ["attest", "m", "--fetch", "9f"],
        ["verify"],
        ["verify", "missing.json"],
        ["log", "consistency", "1"],
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_and_code_2(
    command: Command, connected: ScriptedServer, tmp_path: Path, arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("hokusai: ")
    assert done.err.count("\n") == 1
    assert connected.requests == []


def test_nothing_at_all_shows_the_help(command: Command) -> None:
    done = command()
    assert "verify" in done.out + done.err


def test_help_and_version(command: Command) -> None:
    assert command("--version").out.startswith("hokusai, version ")
    for words in (["-h"], ["models", "--help"], ["register", "improved", "--help"]):
        done = command(*words)
        assert (done.code, done.out.startswith("Usage: hokusai")) == (0, True)


def test_a_refusal_is_one_line_and_code_1(command: Command, connected: ScriptedServer) -> None:
    connected.answers(problem(404, "not_found"))
    done = command("models", "show", "hkm_x")
    assert (done.code, done.out) == (1, "")
    assert done.err == "hokusai: It was not_found. (404 not_found, request r-1)\n"


def test_what_a_gateway_writes_does_not_steer_the_terminal(
    command: Command, connected: ScriptedServer
) -> None:
    connected.answers(Answer(403, {"reason": "x", "message": f"no{HOSTILE}\nsecond"}))
    done = command("whoami")
    assert done.code == 1
    assert done.err == "hokusai: no\ufffd[2J[red]\ufffd second (403 x)\n"
    connected.answers(Answer(document={"principal": HOSTILE, "tenant": "[bold]t[/bold]"}))
    shown = command("whoami").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold]t[/bold]" in shown


def test_a_strangers_names_do_not_steer_the_terminal(
    command: Command, connected: ScriptedServer
) -> None:
    model: dict[str, Any] = {
        "model_id": "hkm_1", "kind": "baseline", "mlflow_name": HOSTILE, "mlflow_version": "1",
        "model_type": HOSTILE, "tenant": HOSTILE, "metrics": {HOSTILE: 1.0},
    }  # fmt: skip
    node: dict[str, Any] = {
        "model": model, "baseline_model_id": None, "delta": {}, "contributors": [],
        "attestations": [],
    }  # fmt: skip
    lineage = {"root": "hkm_1", "nodes": [node], "path": ["hkm_1"], "complete": False}
    connected.answers(Answer(document=lineage), Answer(document={"items": [model], "next": None}))
    for words in (["models", "lineage", "hkm_1"], ["models", "list"]):
        shown = command(*words).out
        assert "hkm_1" in shown
        assert "\ufffd[2J[red]\ufffd" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_no_credential(command: Command, server: ScriptedServer) -> None:
    done = command("limits", "--url", server.url)
    assert done.code == 2
    assert "hokusai login" in done.err


def test_what_nobody_foresaw_is_told_without_its_text(
    command: Command, connected: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"with {KEY} in it")

    monkeypatch.setattr(entry.cli, "main", fail)
    done = command("limits")
    assert done.code == 1
    assert done.err.startswith("hokusai: An internal error occurred: RuntimeError.")
    monkeypatch.setenv("HOKUSAI_DEBUG", "1")
    with pytest.raises(RuntimeError):
        command("limits")


def test_a_warning_is_a_line_too(command: Command, connected: ScriptedServer) -> None:
    model: dict[str, Any] = {
        "model_id": "hkm_1", "kind": "baseline", "mlflow_name": "n", "mlflow_version": "1",
        "model_type": "t", "tenant": "t", "run_id": None, "metrics": {}, "baseline_model_id": None,
        "delta": {}, "contributors": [], "token_id": None, "private": False, "attestations": [],
        "created_at": "now", "warnings": [{"code": "c", "message": "Look at it."}],
    }  # fmt: skip
    connected.answers(Answer(201, model))
    done = command("register", "baseline", "--type", "t", "--run", "r")
    assert done.code == 0
    assert done.err == "hokusai: warning: Look at it.\n"
    assert "hkm_1" in done.out
    assert connected.requests[0].json == {"model_type": "t", "run_id": "r"}


def test_whoever_reads_may_stop_reading(connected: ScriptedServer) -> None:
    program = f"{sys.executable} -m hokusai --help | head -n 0"
    done = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert "Traceback" not in done.stderr


def test_it_starts_without_what_it_does_not_need() -> None:
    program = (
        "import sys; from hokusai.cli.main import main; main(['--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert {"mlflow", "eth_account", "requests", "rich", "coincurve"}.isdisjoint(
        done.stderr.split()
    )
