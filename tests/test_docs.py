"""What the documents say of settings, errors, scopes and files is so."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import errors
from app.identity.principal import Scope
from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
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


def test_configuration_lists_every_setting_with_its_default() -> None:
    documented = {name: second for name, (second, _) in rows("configuration.md").items()}
    actual = {
        f"HOKUSAI_{name.upper()}": "none" if field.default in (None, ()) else f"`{field.default}`"
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


DOCUMENTS = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
