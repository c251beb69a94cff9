"""The command, run in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import pytest

from hokusai.cli.main import main

KEY = "hk_live_" + "k" * 43 + "_000000"


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command with its arguments."""

    def run(*arguments: str) -> Done:
        code = main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert KEY not in out + err
        return Done(code, out, err)

    return run
