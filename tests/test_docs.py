"""What the documents say of settings, errors, scopes and files is so."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hokusai.cli import main as hokusai_command
from hokusai.verify import LogExport, verify

from app.core import errors
from app.core.request.principal import Scope
from app.core.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
VECTORS = ROOT / "hokusai-ml-platform" / "tests" / "vectors" / "attestations_v1.json"
ROW = re.compile(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", re.MULTILINE)


def rows(name: str) -> dict[str, tuple[str, str]]:
    """The rows of a document's tables by their first column."""
    return {
        first: (second, third) for first, second, third in ROW.findall((DOCS / name).read_text())
    }


def kinds(of: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def written(default: object) -> str:
    """A default as one writes it into the environment."""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_configuration_lists_every_setting_with_its_default() -> None:
    documented = {name: second for name, (second, _) in rows("configuration.md").items()}
    actual = {
        f"HOKUSAI_{name.upper()}": "none" if field.default in (None, ()) else written(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert documented == actual


def test_errors_list_every_reason_with_its_status_and_code() -> None:
    documented = rows("errors.md")
    actual = {
        kind.reason: (str(kind.status), f"`{kind.error_code}`")
        for kind in kinds(errors.GatewayError)
    }
    assert documented == actual


def test_authentication_lists_every_scope() -> None:
    table = (DOCS / "authentication.md").read_text()
    for scope in Scope:
        assert f"| `{scope}` |" in table


def test_the_sdks_page_names_every_command_and_check() -> None:
    page = (DOCS / "sdk.md").read_text()
    for name, command in hokusai_command.cli.commands.items():
        assert f"hokusai {name}" in page or f"`{name}`" in page
        for inner in getattr(command, "commands", ()):
            assert inner in page
    vectors = json.loads(
        (ROOT / "hokusai-ml-platform/tests/vectors/attestations_v1.json").read_text()
    )
    report = verify(
        vectors["attestations"]["improvement"],
        checkpoint=vectors["checkpoint"],
        log=LogExport.read(vectors["log_pages"]),
    )
    for check in report.checks:
        assert f"`{check.name}`" in page


def test_every_line_on_security_names_a_test_that_there_is() -> None:
    page = (DOCS / "security.md").read_text()
    tables = re.findall(r"^\| [^\n]* \| test \|\n\|---.*\n((?:\| .*\n)+)", page, re.MULTILINE)
    lines = "".join(tables).splitlines()
    # All tables but that of measured figures.
    assert (len(tables), len(lines)) == (page.count("|---|---|---|\n") - 1, page.count("`tests/"))
    for line in lines:
        named = re.search(r"\| `(tests/[\w/]+\.py)::(test_\w+)` \|$", line)
        assert named, line
        assert f"def {named[2]}(" in (ROOT / named[1]).read_text(), line


def packages() -> set[str]:
    """The packages and modules directly in `app/`."""
    return {
        path.name
        for path in (ROOT / "app").iterdir()
        if (path / "__init__.py").exists() or (path.suffix == ".py" and path.stem != "__init__")
    }


def test_the_architecture_describes_every_package() -> None:
    page = (DOCS / "architecture.md").read_text()
    described = re.findall(r"^\| `app/([\w.]+)` \|", page, re.MULTILINE)
    assert sorted(described) == sorted(packages())
    layers = page.partition("flowchart TB")[2].partition("```")[0]
    assert set(re.findall(r'\["([\w.]+)"\]', layers)) == packages()


def test_the_readme_lists_every_package() -> None:
    tree = (ROOT / "README.md").read_text().partition("\napp/ ")[2].partition("```")[0]
    listed = re.findall(r"^  ([\w.]+)/? +\S", tree, re.MULTILINE)
    assert sorted(listed) == sorted(packages())
    for path in re.findall(r"^([\w-]+/)", tree, re.MULTILINE):
        assert (ROOT / path).is_dir(), path


DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
