"""The files of deployment, read; and the settings that they name."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = frozenset(f"HOKUSAI_{name.upper()}" for name in Settings.model_fields)


def documents(text: str) -> list[Any]:
    """The YAML documents of a text, without those that are empty."""
    return [document for document in yaml.safe_load_all(text) if document is not None]


def settings_in(text: str) -> set[str]:
    """Each HOKUSAI_* name in a text."""
    return set(re.findall(r"\bHOKUSAI_[A-Z_]+\b", text))


def check_schema(schema: str, *paths: Path) -> None:
    """Validate files by a schema that check-jsonschema ships, such as `vendor.compose-spec`.

    Raises AssertionError with what it reports.
    """
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    run = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
