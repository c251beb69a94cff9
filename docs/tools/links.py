"""Checks the built site: every link and anchor leads somewhere, and nothing is loaded from outside.

python -m docs.tools.links site
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Where an attribute makes a browser load something, rather than offer a link to it.
_LOADING = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "input": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "track": "src",
    "video": "src",
}
# Relations of `link` that load nothing.
_NAMING = {"canonical", "next", "prev", "alternate", "license", "author"}
_STYLE_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?(?P<url>(?:https?:)?//[^"')\s]+)""")


class Page(HTMLParser):
    """The ids, links and loads of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of what a tag names and refers to."""
        values = {name: value for name, value in attrs if value is not None}
        self.ids.update(values[name] for name in ("id", "name") if name in values)
        loading = values.get(_LOADING.get(tag, ""))
        if tag == "link" and _NAMING.intersection(values.get("rel", "").split()):
            loading = None
        if loading is not None:
            self.loads.append(loading)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])


def problems(site: Path) -> list[str]:
    """What is wrong with the site in this directory, one line each."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for page in pages.values():
        name = page.path.relative_to(site)
        found += [
            f"{name} loads {load}"
            for load in page.loads
            if _is_outside(load) and not load.startswith("data:")
        ]
        for link in [*page.links, *page.loads]:
            problem = None if _is_outside(link) else _broken(link, page, pages, site)
            if problem:
                found.append(f"{name} refers to {link}, {problem}")
    for sheet in sorted(site.rglob("*.css")):
        name = sheet.relative_to(site)
        styles = _STYLE_URL.finditer(sheet.read_text("utf-8"))
        found += [f"{name} loads {style['url']}" for style in styles]
    return found


def _is_outside(target: str) -> bool:
    parts = urlsplit(target)
    return bool(parts.scheme or parts.netloc)


def _broken(target: str, page: Page, pages: dict[Path, Page], site: Path) -> str | None:
    """Why a reference within the site leads nowhere; None if it does lead somewhere."""
    parts = urlsplit(target)
    start = site if parts.path.startswith("/") else page.path.parent
    path = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else page.path
    if path.is_dir():
        path /= "index.html"
    if not path.is_file():
        return "which does not exist"
    fragment = unquote(parts.fragment)
    if fragment and path in pages and fragment not in pages[path].ids:
        return "which has no such anchor"
    return None


def main(argv: list[str]) -> None:
    """Check the site in the directory that is named; exit with status 1 if anything is wrong."""
    site = Path(argv[1]).resolve()
    found = problems(site)
    if found:
        sys.exit("\n".join([*found, f"error: wrong references in the site: {len(found)}"]))


if __name__ == "__main__":
    main(sys.argv)
