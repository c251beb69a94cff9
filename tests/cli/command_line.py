"""`hokusai-gateway` in this process, because starting Python for each command takes long."""

import subprocess
import sys

import pytest

from app.cli.main import main


class CommandLine:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `environment` adds variables."""
        code = 0
        with self._monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["hokusai-gateway", *arguments])
            self._capsys.readouterr()
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        printed = self._capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, printed.out, printed.err)
