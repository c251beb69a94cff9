"""Puts together in build/docs what the site is built from: the documents, and generated pages."""

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docs.tools import http_reference, scripts, sdk_reference
from docs.tools.markdown import escaped, fenced, prose, table, title

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "docs"
SDK = ROOT / "hokusai-ml-platform" / "src" / "hokusai"

# Documents outside of docs/ that are pages too: the page of each.
OUTSIDE = {
    "README.md": "project.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "hokusai-ml-platform/CHANGELOG.md": "sdk-changelog.md",
    "benchmarks/README.md": "measurements.md",
    "packages/verify/README.md": "verify-package.md",
}
# Directories that a generated page lists: the page of each.
LISTED = {"docs/decisions": "decisions/index.md", "examples": "examples/index.md"}
LANGUAGES = {".py": "python", ".sh": "bash", ".js": "javascript"}

_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\((?P<target>[^()\s]+)\)", re.DOTALL
)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class PagesError(Exception):
    """The site cannot be put together; each line of the message is one reason."""


def main() -> None:
    """Fill build/docs."""
    try:
        stage(ROOT, BUILD)
        for package in scripts.PACKAGES:
            fetched = scripts.fetch(package, ROOT / "build" / "npm")
            shutil.copytree(fetched, BUILD / "assets" / package.name)
    except (PagesError, scripts.ScriptsError) as error:
        sys.exit(f"error: {error}")


def stage(root: Path, build: Path) -> None:
    """Write all pages of the repository at `root` to `build`, which is emptied first.

    Raises PagesError for links that lead nowhere, for pages that the navigation leaves out, and
    where two documents would be one page.
    """
    shutil.rmtree(build, ignore_errors=True)
    sources = documents(root)
    examples = example_pages(root)
    pages = sources | {source: page for source, (page, _) in examples.items()}
    problems = shared(pages)
    for source, page in sources.items():
        text, copied, dead = with_links_of_the_site(root, source, pages)
        problems += dead
        _write(build / page, text)
        for file in copied:
            target = build / "files" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, target)
    generated = dict(examples.values())
    generated["examples/index.md"] = examples_index(examples)
    generated["decisions/index.md"] = decisions_index(root)
    for name, text in http_reference.pages().items():
        generated[f"reference/http/{name}"] = text
    for name, text in sdk_reference.pages(SDK).items():
        generated[f"reference/sdk/{name}"] = text
    for page, text in generated.items():
        _write(build / page, text)
    site = tomllib.loads((root / "zensical.toml").read_text("utf-8"))
    navigation = list(_entries(site["project"]["nav"]))
    problems += left_out({*sources.values(), *generated}, navigation)
    if problems:
        raise PagesError("\n".join(problems))


def documents(root: Path) -> dict[str, str]:
    """The documents that are pages: the path of each in the repository, and that of its page."""
    docs = root / "docs"
    inside = {
        path.relative_to(root).as_posix(): path.relative_to(docs).as_posix()
        for path in sorted(docs.rglob("*.md"))
    }
    return inside | OUTSIDE


def shared(pages: dict[str, str]) -> list[str]:
    """What is wrong with the pages of documents: those that two documents would be written to."""
    sources: dict[str, str] = {}
    return [
        f"{source} and {first} have the same page {page}: give one of them another in OUTSIDE"
        for source, page in pages.items()
        if (first := sources.setdefault(page, source)) != source
    ]


def with_links_of_the_site(
    root: Path, source: str, pages: dict[str, str]
) -> tuple[str, list[str], list[str]]:
    """A document with its links as the site needs them; the files they need; the dead ones.

    A link to a document that is a page leads to that page. One to any other file leads to a copy
    of it. One to a directory is kept where a page lists that directory; elsewhere it becomes its
    text, since a site has no directories to show.
    """
    here = (pages | LISTED)[source]
    files: list[str] = []
    dead: list[str] = []

    def rewritten(found: re.Match[str]) -> str:
        target, mark, fragment = found["target"].partition("#")
        if not target or _ELSEWHERE.match(target):
            return found[0]
        path = os.path.normpath(os.path.join(os.path.dirname(source), target))
        to = (pages | LISTED).get(path)
        if to is None and (root / path).is_file():
            files.append(path)
            to = f"files/{path}"
        if to is not None:
            relative = os.path.relpath(to, os.path.dirname(here) or ".")
            return f"{found['image']}[{found['text']}]({relative}{mark}{fragment})"
        if (root / path).is_dir():
            return found["text"]
        dead.append(f"{source} links to {target}, which does not exist")
        return found[0]

    text = _in_prose((root / source).read_text("utf-8"), lambda part: _LINK.sub(rewritten, part))
    return text, files, dead


def example_pages(root: Path) -> dict[str, tuple[str, str]]:
    """For each example: its path in the repository, and the path and text of the page of it."""
    found = {}
    for path in sorted((root / "examples").rglob("*")):
        if path.suffix not in LANGUAGES or "node_modules" in path.parts:
            continue
        source = path.relative_to(root).as_posix()
        name = path.relative_to(root / "examples").as_posix()
        code = path.read_text("utf-8")
        text = f"# {name}\n\n{escaped(_summary(code))}\n\n{fenced(code, LANGUAGES[path.suffix])}"
        found[source] = (f"examples/{name.replace('/', '-')}.md", text)
    return found


def examples_index(examples: dict[str, tuple[str, str]]) -> str:
    """The page that lists the examples."""
    rows = [
        (f"[`{title(text)}`]({page.removeprefix('examples/')})", text.split("\n\n")[1])
        for page, text in examples.values()
    ]
    return "\n".join(
        [
            "# Examples\n",
            "Programs to run unchanged; the head of each says how. The tests run them.\n",
            table(("file", "what"), rows),
        ]
    )


def decisions_index(root: Path) -> str:
    """The page that lists the decisions."""
    items = [
        f"- [{title(path.read_text('utf-8'))}]({path.name})\n"
        for path in sorted((root / "docs" / "decisions").glob("*.md"))
    ]
    introduction = "What was decided, why, and what was refused, by date.\n"
    return "\n".join(["# Decisions\n", introduction, "".join(items)])


def left_out(pages: set[str], navigation: list[str]) -> list[str]:
    """What is wrong between the pages and the navigation: an entry ending in `/` has a directory's
    pages."""
    directories = tuple(entry for entry in navigation if entry.endswith("/"))
    missing = [page for page in sorted(pages) if page not in navigation]
    return [
        f"{page} is not in the navigation: name it in zensical.toml"
        for page in missing
        if not page.startswith(directories)
    ] + [
        f"zensical.toml names {entry}, which does not exist"
        for entry in navigation
        if entry not in pages and not entry.endswith("/")
    ]


def _entries(navigation: list[Any]) -> Iterator[str]:
    for entry in navigation:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict):
            for value in entry.values():
                yield from _entries(value if isinstance(value, list) else [value])


def _in_prose(text: str, change: Callable[[str], str]) -> str:
    """The text with what is no fenced code changed, in pieces as long as they can be."""
    parts: list[str] = []
    pending = ""
    for is_prose, line in prose(text):
        if is_prose:
            pending += line
        else:
            parts += [change(pending), line]
            pending = ""
    return "".join([*parts, change(pending)])


def _summary(code: str) -> str:
    """The first sentences of a program's own description: up to its first empty line."""
    lines = []
    for line in code.splitlines():
        if line.startswith("#!"):
            continue
        words = line.strip().lstrip("#/").strip().strip('"').strip()
        if not words:
            break
        lines.append(words)
    return " ".join(lines)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
