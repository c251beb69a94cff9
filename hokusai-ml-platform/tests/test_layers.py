"""The contracts in pyproject.toml that keep the SDK's modules in layers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "--no-cache", "--no-logo", ROOT / "pyproject.toml"],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_contract_is_kept() -> None:
    result = lint(ROOT / "src")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "3 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("errors.py", "import hokusai.client", "only lower layers"),
        ("verify/merkle.py", "import hokusai.client", "no other part of the SDK"),
        ("verify/merkle.py", "import requests", "no other part of the SDK"),
        ("verify/merkle.py", "import hokusai.verify.checks", "no import cycles"),
    ],
)
def test_a_forbidden_import_breaks_a_contract(
    tmp_path: Path, module: str, statement: str, contract: str
) -> None:
    shutil.copytree(ROOT / "src" / "hokusai", tmp_path / "hokusai")
    with (tmp_path / "hokusai" / module).open("a") as file:
        # Inside a function, where an import is easily overlooked.
        file.write(f"\n\ndef _forbidden() -> None:\n    {statement}\n")
    result = lint(tmp_path)

    assert result.returncode == 1, result.stdout + result.stderr
    assert any(contract in line and "BROKEN" in line for line in result.stdout.splitlines())
