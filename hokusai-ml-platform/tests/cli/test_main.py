"""What every command has in common: usage errors, refusals, warnings, and safe output."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from hokusai.cli import main as entry
from scripted import Response, ScriptedServer, problem

from .conftest import KEY, MODEL, Command

IMPROVED = ["register", "improved", "--baseline", "m", "--run", "r"]
# Clears the screen, is markup of rich, and reverses the direction of text.
HOSTILE = "\x1b[2J[red]\u202e"
HARMLESS = "\ufffd[2J[red]\ufffd"


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
        ["register", "baseline", "--type", "x", "--model-uri", "runs:/r/model", "--path", "p"],
        ["register", "baseline", "--type", "x", "--run", "r", "--experiment", "e"],
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
    outcome = command(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.startswith("hokusai: ")
    assert outcome.err.count("\n") == 1
    assert connected.requests == []


def test_without_arguments_it_shows_the_help(command: Command) -> None:
    outcome = command()
    assert "verify" in outcome.out + outcome.err


def test_help_and_version(command: Command) -> None:
    assert command("--version").out.startswith("hokusai, version ")
    for arguments in (["-h"], ["models", "--help"], ["register", "improved", "--help"]):
        outcome = command(*arguments)
        assert (outcome.code, outcome.out.startswith("Usage: hokusai")) == (0, True)


def test_every_option_has_a_help_text() -> None:
    def commands(group: click.Command) -> list[click.Command]:
        inner = getattr(group, "commands", {}).values()
        return [group, *(found for each in inner for found in commands(each))]

    for each in commands(entry.cli):
        assert each.help, each.name
        for parameter in each.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{each.name} {parameter.opts}"


def test_a_refusal_is_one_line_and_code_1(command: Command, connected: ScriptedServer) -> None:
    connected.respond_with(problem(404, "not_found"))
    outcome = command("models", "show", "hkm_x")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "hokusai: It was not_found. (404 not_found, request r-1)\n"


def test_control_characters_of_the_gateway_do_not_reach_the_terminal(
    command: Command, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(403, {"reason": "x", "message": f"no{HOSTILE}\nsecond"}))
    outcome = command("whoami")
    assert outcome.code == 1
    assert outcome.err == f"hokusai: no{HARMLESS} second (403 x)\n"
    connected.respond_with(Response(document={"principal": HOSTILE, "tenant": "[bold]t[/bold]"}))
    out = command("whoami").out
    assert HARMLESS in out
    assert "\x1b" not in out
    assert "[bold]t[/bold]" in out


def test_control_characters_of_other_tenants_do_not_reach_the_terminal(
    command: Command, connected: ScriptedServer
) -> None:
    model: dict[str, Any] = {
        **MODEL,
        "mlflow_name": HOSTILE,
        "model_type": HOSTILE,
        "tenant": HOSTILE,
        "metrics": {HOSTILE: 1.0},
    }
    node: dict[str, Any] = {
        "model": model,
        "baseline_model_id": None,
        "delta": {},
        "contributors": [],
        "attestations": [],
    }
    lineage = {"root": "hkm_1", "nodes": [node], "path": ["hkm_1"], "complete": False}
    connected.respond_with(
        Response(document=lineage), Response(document={"items": [model], "next": None})
    )
    for arguments in (["models", "lineage", "hkm_1"], ["models", "list"]):
        out = command(*arguments).out
        assert "hkm_1" in out
        assert HARMLESS in out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_a_missing_credential_is_code_2(command: Command, server: ScriptedServer) -> None:
    outcome = command("limits", "--url", server.url)
    assert outcome.code == 2
    assert "hokusai login" in outcome.err


def test_an_internal_error_is_reported_without_its_text(
    command: Command, connected: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"with {KEY} in it")

    monkeypatch.setattr(entry.cli, "main", fail)
    outcome = command("limits")
    assert outcome.code == 1
    assert outcome.err == (
        "hokusai: An internal error occurred: RuntimeError. HOKUSAI_DEBUG=1 shows where.\n"
    )
    monkeypatch.setenv("HOKUSAI_DEBUG", "1")
    with pytest.raises(RuntimeError):
        command("limits")


def test_an_error_of_mlflow_is_reported_with_its_text(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MlflowException(Exception):  # noqa: N818 - MLflow's name
        pass

    def fail(*_: Any, **__: Any) -> None:
        raise MlflowException("No such\nexperiment.")

    monkeypatch.setattr(entry.cli, "main", fail)
    outcome = command("limits")
    assert (outcome.code, outcome.err) == (1, "hokusai: MLflow: No such experiment.\n")


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_code_130(
    command: Command, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise interruption

    monkeypatch.setattr(entry.cli, "main", interrupt)
    outcome = command("limits")
    assert (outcome.code, outcome.err) == (130, "hokusai: interrupted\n")


def test_a_warning_is_one_line_on_standard_error(
    command: Command, connected: ScriptedServer
) -> None:
    model = {**MODEL, "warnings": [{"code": "c", "message": "Look at it."}]}
    connected.respond_with(Response(201, model))
    outcome = command("register", "baseline", "--type", "t", "--run", "r")
    assert outcome.code == 0
    assert outcome.err == "hokusai: warning: Look at it.\n"
    assert "hkm_1" in outcome.out


def test_a_reader_that_closes_the_pipe_ends_the_command_without_a_traceback() -> None:
    program = f"{sys.executable} -m hokusai --help | head -n 0"
    finished = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert "Traceback" not in finished.stderr


def test_a_closed_pipe_is_code_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def break_pipe(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    with (tmp_path / "standard output").open("w") as file:
        monkeypatch.setattr(entry.cli, "main", break_pipe)
        monkeypatch.setattr("sys.stdout", file)
        assert entry.main(["limits"]) == 1
        # What Python flushes when it exits goes nowhere.
        os.write(file.fileno(), b"lost")
    assert (tmp_path / "standard output").read_text() == ""


def test_characters_that_the_terminal_cannot_show_are_replaced(
    monkeypatch: pytest.MonkeyPatch, connected: ScriptedServer
) -> None:
    connected.respond_with(Response(document={"principal": "n\u00f6", "tenant": "t"}))
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert entry.main(["whoami"]) == 0
    terminal.seek(0)
    assert "n?" in terminal.read()


def test_output_may_be_a_stream_without_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    assert entry.main(["--version"]) == 0
    assert stream.getvalue().startswith("hokusai, version ")


def test_help_does_not_import_slow_modules() -> None:
    program = (
        "import sys; from hokusai.cli.main import main; main(['--help']); "
        "print(*sys.modules, file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    slow = {"mlflow", "eth_account", "requests", "rich", "coincurve"}
    assert slow.isdisjoint(finished.stderr.split())


def test_a_word_in_place_of_a_number_is_named(command: Command) -> None:
    outcome = command("models", "list", "--limit", "many")
    assert outcome.code == 2
    assert "'many' is not a valid number" in outcome.err
