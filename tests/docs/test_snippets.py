"""The commands, programs and documents that the documentation shows.

Each command line of `hokusai` and `hokusai-gateway` has to be one that the command accepts: the
names of subcommands and options are compared with the command itself. Python, JSON and shell are
parsed.
"""

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hokusai.cli.main import cli as hokusai_command

from app.cli.commands import app as gateway_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "hokusai-ml-platform" / "README.md",
    ROOT / "packages" / "verify" / "README.md",
]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.*")), *(ROOT / "app/web/templates").rglob("*.html")]
# Of click, and of Typer, which has a click of its own.
COMMANDS: dict[str, Any] = {
    "hokusai": hokusai_command,
    "hokusai-gateway": typer.main.get_command(gateway_app),
}

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`((?:hokusai|hokusai-gateway) [^`\n]+)`")
# Where a line of shell starts another command.
_BETWEEN = re.compile(r"\s*(?:&&|\|\||;|\||^\$ )\s*", re.M)
_COMMAND = re.compile(r"(?:^|\s|/)(hokusai|hokusai-gateway)\s+(?=[a-z])(.*)$")
# Where `hokusai` is the name of something else.
_OTHERS = ("#", "kubectl create", "helm")


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a document. line: the number of its first line."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def _snippets(*languages: str) -> list[Snippet]:
    return [
        Snippet(document, text[: found.start()].count("\n") + 2, found[1], found[2])
        for document in DOCUMENTS
        for text in [document.read_text()]
        for found in _FENCED.finditer(text)
        if found[1] in languages
    ]


def _command_lines(text: str) -> Iterator[str]:
    """The lines of a text that call one of the commands, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in _BETWEEN.split(line):
            found = _COMMAND.search(part)
            if found and not part.lstrip().startswith(_OTHERS):
                yield f"{found[1]} {found[2]}"


def _problem(line: str) -> str | None:
    """What the command would refuse in a line, apart from missing arguments, or None."""
    words = shlex.split(line, comments=True)
    command = COMMANDS[words[0]]
    rest = words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0).rstrip(",.")
        command = command.commands.get(name)
        if command is None:
            return f"{line}: there is no command {name}"
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    used = [word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
    wrong = [name for name in used if name not in known | {"--help", "-h", "--version"}]
    return f"{line}: there is no option {', '.join(wrong)}" if wrong else None


@pytest.mark.parametrize("document", [*DOCUMENTS, *EXAMPLES], ids=lambda one: one.name)
def test_every_command_that_is_shown_exists_with_its_options(document: Path) -> None:
    text = document.read_text()
    lines = [*(found[1] for found in _INLINE.finditer(text))]
    blocks = [found[2] for found in _FENCED.finditer(text)] if document.suffix == ".md" else [text]
    if document.suffix == ".py":
        blocks = [ast.get_docstring(ast.parse(text)) or ""]
    for block in blocks:
        lines += _command_lines(block)
    assert [problem for line in lines if (problem := _problem(line))] == []


def test_a_command_that_does_not_exist_is_found() -> None:
    assert _problem("hokusai models list --limit 3") is None
    for line, problem in (
        ("hokusai models lists", "no command lists"),
        ("hokusai models list --most 3", "no option --most"),
        ("hokusai-gateway keys create --tenant acme --named x", "no option --named"),
    ):
        assert problem in str(_problem(line))


def test_the_documents_show_commands() -> None:
    shown = [line for one in _snippets("bash", "sh") for line in _command_lines(one.text)]
    assert len(shown) > 30


@pytest.mark.parametrize("snippet", _snippets("python"), ids=str)
def test_python_is_valid(snippet: Snippet) -> None:
    ast.parse(snippet.text)


@pytest.mark.parametrize("snippet", _snippets("json"), ids=str)
def test_json_is_valid(snippet: Snippet) -> None:
    json.loads(snippet.text)


def test_shell_is_valid() -> None:
    for snippet in _snippets("bash", "sh"):
        # A placeholder such as `...` is a word for the shell too.
        checked = subprocess.run(
            ["bash", "-n"], input=snippet.text, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, f"{snippet}: {checked.stderr}"
