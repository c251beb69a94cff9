"""What the site is built from: links for the site, generated lists, the navigation."""

from pathlib import Path

import pytest

from docs.tools import pages
from docs.tools.pages import PagesError, left_out, stage, with_links_of_the_site

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in {
        "README.md": "# The project\n\n[docs](docs/README.md), [code](app/)\n",
        "CHANGELOG.md": "# Changelog\n",
        "CODE_OF_CONDUCT.md": "# Code of conduct\n",
        "CONTRIBUTING.md": "# Contributing\n",
        "SECURITY.md": "# Security policy\n",
        "hokusai-ml-platform/CHANGELOG.md": "# Changelog of the SDK\n",
        "benchmarks/README.md": "# Benchmarks\n",
        "packages/verify/README.md": "# The npm package\n",
        "app/main.py": "",
        "deploy/alerts.yml": "groups: []\n",
        "docs/README.md": "# What to read\n",
        "docs/sdk.md": "# SDK\n",
        "docs/decisions/0001-one.md": "# 1. One\n",
        "examples/run.sh": "#!/usr/bin/env bash\n# Runs it.\n# Twice.\n#\n#   ./run.sh\nset -e\n",
        "examples/js/walk.js": "// Walks.\n",
        "examples/js/node_modules/x.js": "// Not ours.\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def rewritten(repository: Path, source: str, text: str) -> tuple[str, list[str], list[str]]:
    (repository / source).write_text(text)
    sources = pages.documents(repository) | {"examples/run.sh": "examples/run.sh.md"}
    return with_links_of_the_site(repository, source, sources)


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("docs/README.md", "[a](sdk.md#x)", "[a](sdk.md#x)"),
        ("docs/README.md", "[a](../README.md)", "[a](project.md)"),
        ("docs/README.md", "[a\nb](../benchmarks/README.md#c)", "[a\nb](measurements.md#c)"),
        ("docs/README.md", "[`a`](../examples/)", "[`a`](examples/index.md)"),
        ("docs/README.md", "[a](decisions/)", "[a](decisions/index.md)"),
        ("docs/README.md", "[`a`](../app/)", "`a`"),
        ("docs/README.md", "[a](https://example.com/b)", "[a](https://example.com/b)"),
        ("docs/README.md", "[a](#b)", "[a](#b)"),
        ("docs/decisions/0001-one.md", "[a](../sdk.md)", "[a](../sdk.md)"),
        ("docs/decisions/0001-one.md", "[a](../../examples/run.sh)", "[a](../examples/run.sh.md)"),
        ("README.md", "[a](docs/decisions/0001-one.md)", "[a](decisions/0001-one.md)"),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(
    repository: Path, source: str, link: str, expected: str
) -> None:
    assert rewritten(repository, source, f"See {link}.\n") == (f"See {expected}.\n", [], [])


def test_a_link_to_a_file_leads_to_a_copy_of_it(repository: Path) -> None:
    text, files, dead = rewritten(repository, "docs/sdk.md", "[alerts](../deploy/alerts.yml)")

    assert (text, files, dead) == (
        "[alerts](files/deploy/alerts.yml)",
        ["deploy/alerts.yml"],
        [],
    )


def test_a_link_in_code_is_left_as_it_is(repository: Path) -> None:
    text = "```markdown\n[a](../README.md)\n```\n"

    assert rewritten(repository, "docs/sdk.md", text) == (text, [], [])


def test_a_link_to_nothing_is_named(repository: Path) -> None:
    _, _, dead = rewritten(repository, "docs/sdk.md", "[a](../nope.md)")

    assert dead == ["docs/sdk.md links to ../nope.md, which does not exist"]


def test_an_example_is_a_page_of_its_code_and_of_what_it_does(repository: Path) -> None:
    found = pages.example_pages(repository)

    assert {source: page for source, (page, _) in found.items()} == {
        "examples/js/walk.js": "examples/js-walk.js.md",
        "examples/run.sh": "examples/run.sh.md",
    }
    _, text = found["examples/run.sh"]
    assert text.startswith("# run.sh\n\nRuns it. Twice.\n\n```bash\n#!/usr/bin/env bash\n")
    index = pages.examples_index(found)
    assert "| [`js/walk.js`](js-walk.js.md) | Walks. |" in index
    assert "| [`run.sh`](run.sh.md) | Runs it. Twice. |" in index


def test_the_list_of_decisions_has_their_titles(repository: Path) -> None:
    assert "- [1. One](0001-one.md)\n" in pages.decisions_index(repository)


def test_the_navigation_and_the_pages_are_the_same() -> None:
    found = left_out({"a.md", "b.md", "d/x.md"}, ["a.md", "c.md", "d/"])

    assert found == [
        "b.md is not in the navigation: name it in zensical.toml",
        "zensical.toml names c.md, which does not exist",
    ]


def test_two_documents_do_not_share_a_page(repository: Path) -> None:
    (repository / "docs" / "measurements.md").write_text("# Another page\n")

    assert pages.shared(pages.documents(repository)) == [
        "benchmarks/README.md and docs/measurements.md have the same page measurements.md: "
        "give one of them another in OUTSIDE"
    ]


def test_the_site_of_this_repository_can_be_put_together(tmp_path: Path) -> None:
    (tmp_path / "stale.md").write_text("# Of a former build\n")

    stage(ROOT, tmp_path)

    assert not (tmp_path / "stale.md").exists()
    assert (tmp_path / "project.md").is_file()
    assert (tmp_path / "reference" / "http" / "models.md").is_file()
    assert (tmp_path / "reference" / "sdk" / "hokusai.core.md").is_file()


def test_what_is_wrong_is_said_at_once(repository: Path, tmp_path: Path) -> None:
    (repository / "docs" / "sdk.md").write_text("# SDK\n\n[a](nope.md)\n")
    (repository / "zensical.toml").write_text('[project]\nnav = ["README.md", "decisions/"]\n')

    with pytest.raises(PagesError) as raised:
        stage(repository, tmp_path / "build")

    assert "docs/sdk.md links to nope.md" in str(raised.value)
    assert "sdk.md is not in the navigation" in str(raised.value)
