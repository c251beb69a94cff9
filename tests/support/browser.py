"""Chromium, driven by Playwright: pages as people see them, and what went wrong meanwhile."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from playwright.sync_api import (
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

# Installed, not downloaded by Playwright; the first of these names.
NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next((path for path in map(shutil.which, NAMES) if path), None)
# Without them, Chromium calls its maker at each start.
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
# Milliseconds: limits that only a broken page reaches, however busy the machine is.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (360, 1200)
HEIGHT = 900


class Browser:
    """A headless Chromium, which runs while the `with` block lasts.

    Playwright occupies the event loop of this thread meanwhile, so a file of tests that uses it has
    no asynchronous tests.

    screenshots: where pictures of pages are kept, if they are: each takes a tenth of a second of
        processor time.
    """

    screenshots: ClassVar[Path | None] = None

    def __enter__(self) -> Self:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=PROGRAM,
            args=ARGUMENTS,
            chromium_sandbox=os.geteuid() != 0,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.close()
        self._playwright.stop()

    @contextmanager
    def context(self, origin: str, **options: Any) -> Iterator[BrowserContext]:
        """Cookies, cache and storage of their own. options: those of Playwright's `new_context`."""
        context = self._browser.new_context(base_url=origin, **options)
        context.set_default_timeout(PATIENCE)
        try:
            yield context
        finally:
            context.close()

    @contextmanager
    def visitor(
        self, origin: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator["Visitor"]:
        """A person who stays on one origin.

        headers: sent with each request. options: those of Playwright's `new_context`.
        At the end of the block, raises AssertionError with what went wrong: see `Visitor`.
        """
        with self.context(origin, extra_http_headers=dict(headers or {}), **options) as context:
            visitor = Visitor(context, origin)
            yield visitor
            assert visitor.problems == [], visitor.problems


class Visitor:
    """Pages in one browser context, and the list of what went wrong in them.

    problems: errors on the console (violations of the Content-Security-Policy are among them),
        exceptions of scripts, responses of 400 and above, requests to another origin.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.context = context
        self.origin = origin
        self.problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self._add(f"script: {error.error}"))
        context.on("request", self._request)
        context.on("response", self._response)

    def expect(self, pattern: str) -> None:
        """From now on, do not count a problem whose text matches: `404 /models/none`."""
        self._expected.append(re.compile(pattern))

    def page(self, path: str = "") -> Page:
        """A new page; at this path of the origin, if one is given, with all of it loaded."""
        page = self.context.new_page()
        page.set_viewport_size({"width": WIDTHS[-1], "height": HEIGHT})
        if path:
            page.goto(path, wait_until="networkidle")
        return page

    def _add(self, problem: str) -> None:
        if not any(pattern.search(problem) for pattern in self._expected):
            self.problems.append(problem)

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium also reports there each response of 400 and above.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self._add(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self._add(f"another origin: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self._add(f"{response.status} {response.url.removeprefix(self.origin)}")


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than its window."""
    wider: bool = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    return wider


def accessibility_problems(page: Page) -> Sequence[str]:
    """What axe-core finds serious or critical: the rule, and the first element of each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    # Without the other types, axe does not describe each element that meets a rule.
    found: list[dict[str, Any]] = page.evaluate(
        "async () => (await axe.run({resultTypes: ['violations']})).violations"
    )
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def looks(page: Page) -> Iterator[str]:
    """Show a page in both themes, on a phone and on a desk: the name of each, `dark-360`.

    It is loaded once, since style sheets alone follow the theme and the width, and loading takes
    seconds of processor time.
    """
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            yield f"{theme}-{width}"


def problems_with_looks(page: Page, name: str) -> list[str]:
    """What is wrong with a page in any of its looks. name: of the page, for the problems."""
    problems = []
    for look in looks(page):
        problems += [f"{name}-{look}: {one}" for one in accessibility_problems(page)]
        if scrolls_sideways(page):
            problems.append(f"{name}-{look}: scrolls sideways")
        screenshot(page, f"{name}-{look}")
    return problems


def problems_of_pages(visitor: "Visitor", pages: Mapping[str, str]) -> list[str]:
    """What is wrong with pages in any of their looks. pages: their paths, by names."""
    problems = []
    page = visitor.page()
    for name, path in pages.items():
        page.goto(path, wait_until="networkidle")
        problems += problems_with_looks(page, name)
    page.close()
    return problems


def screenshot(page: Page, name: str) -> None:
    """With `--screenshots`, keep a picture of the whole page, to be looked at after the run."""
    if Browser.screenshots is not None:
        page.screenshot(path=Browser.screenshots / f"{name}.png", full_page=True)
