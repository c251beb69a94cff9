"""A test that nothing else ends is ended with its process, and the run fails and says which."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENDLESS = {
    "a call that no signal interrupts": """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(600)
    """,
    "a fixture that hangs after its test has failed": """
        request.addfinalizer(lambda: time.sleep(600))
        assert False
    """,
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_run_ends_although_a_test_does_not(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(f"import signal, time\ndef test_endless(request):{ENDLESS[kind]}\n")
    options: list[str | Path] = [
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        tmp_path,
        "-p",
        "no:cacheprovider",
    ]
    plugin = ["-p", "tests.support.time_limits", "--timeout", "1", "--numprocesses", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *plugin, file],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "crashed while running 'test_it.py::test_endless'" in done.stdout
    assert "test_it.py" in done.stderr
    assert "Timeout (0:00:01.2" in done.stderr
