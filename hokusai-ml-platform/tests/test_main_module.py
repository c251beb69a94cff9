"""Running the package as a program: `python -m hokusai`."""

from __future__ import annotations

import runpy
import sys

import pytest


def test_it_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hokusai", "--version"])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("hokusai", run_name="__main__")

    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("hokusai, version ")


def test_importing_it_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("hokusai.__main__", run_name="imported")

    assert capsys.readouterr().out == ""
