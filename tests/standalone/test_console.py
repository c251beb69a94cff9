"""What `serve` prints when it is ready."""

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
