"""Verifying needs neither MLflow nor an HTTP client to be installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from vector_file import IMPROVEMENT, KNOWN

# What `pip install --no-deps` with click, coincurve and pycryptodome leaves out.
MISSING = ("mlflow", "requests", "urllib3", "eth_account", "rich")
PROGRAM = f"""
import sys
for name in {MISSING!r}:
    sys.modules[name] = None
from hokusai.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_command_verifies_without_the_rest_of_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "attestation.json").write_text(json.dumps(IMPROVEMENT))
    (tmp_path / "known.json").write_text(json.dumps(KNOWN))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "verify", "attestation.json", "--known", "known.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "The attestation holds" in done.stdout
