"""What `serve` prints when it is ready."""

import os
import re
import subprocess
import sys
from pathlib import Path

from app.standalone.console import _summary


def test_the_command_of_the_summary_runs_a_python_that_has_mlflow() -> None:
    text = _summary("http://127.0.0.1:8000", [("data", "/data")], Path("/data/admin-key"))
    found = re.search(r"^  (\S+) -c 'import mlflow; ", text, re.MULTILINE)
    assert found is not None
    assert found[1] == sys.executable
    subprocess.run([found[1], "-c", "import mlflow.version"], check=True)


def test_output_that_is_lost_does_not_change_the_exit_code() -> None:
    program = "from app.standalone import console; console.write_line('x')"
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    codes = []
    for ending in ("", "; console.discard_lost_output()"):
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-c", program + ending]
            ended = subprocess.run(command, stdout=full, env=buffered, check=False)
        codes.append(ended.returncode)
    assert codes == [120, 0]
