"""Pages in a browser: those of the registry when it has grown, and MLflow's through the gateway."""

import http.client
import json
import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.fill import CONTRIBUTOR, ROOT, fill
from benchmarks.launcher import Launcher, MissingError
from benchmarks.peers import new_run, start_mlflow
from benchmarks.report import Rounds, Table, Verdict, alternate, median_ratio
from benchmarks.stack import COMMAND, UNLIMITED, gateway_settings, start_backend, start_gateway

try:
    from playwright.sync_api import BrowserContext, Page

    from tests.support.browser import PROGRAM, Browser
except ImportError:  # without the tools for tests
    PROGRAM = None

MAX_MILLISECONDS = 30
MAX_KILOBYTES = 100
MAX_PAINT = 200
MAX_RATIO = 1.1
# Requests for each page in one round.
REQUESTS = 20
PAGES: dict[str, str] = {
    "home": "/",
    "models": "/models",
    "models of a type": "/models?type=type-7",
    "a model": "/models/hkm_2",
    "lineage": f"/models/{ROOT}/lineage",
    "contributors": "/contributors",
    "a contributor": f"/contributors/{CONTRIBUTOR}",
    "attestations": "/attestations",
    "log": "/log",
    "verify": "/verify",
    "account": "/account",
}


@dataclass(frozen=True)
class Visit:
    """One page in one round. server: ms until the page is there, without what it loads; paint: ms
    until the browser shows it, with nothing cached; kilobytes: all that it loads, compressed."""

    server: float
    paint: float
    kilobytes: float


@dataclass(frozen=True)
class RunPage:
    """MLflow's page of one run: seconds until it shows a metric, with nothing cached."""

    seconds: float


def run(launcher: Launcher, options: Namespace) -> Iterator[Table]:
    """Run `pages`: each page of the registry in turn; and `pages-mlflow`, the page of a run.

    Raises MissingError without Chromium and Playwright.
    """
    if PROGRAM is None:
        raise MissingError("pages need Chromium, and the tools for tests (`make dev`)")
    yield _registry(launcher, options)
    yield _mlflow(launcher, options)


def _registry(launcher: Launcher, options: Namespace) -> Table:
    backend = start_backend(launcher, "pages-direct")
    settings = gateway_settings(launcher, backend.base, "pages")
    settings["HOKUSAI_SESSION_RATE_LIMIT"] = str(UNLIMITED)
    settings["HOKUSAI_ANONYMOUS_LIMIT"] = str(UNLIMITED)
    url = f"http://127.0.0.1:{settings['HOKUSAI_PORT']}"
    launcher.start("pages-gateway", COMMAND, f"{url}/livez", environment=settings)
    key = (Path(settings["HOKUSAI_DATA_DIR"]) / "admin.key").read_text().strip()
    fill(settings["HOKUSAI_DATABASE_URL"], options.scale)
    rounds: Rounds = {name: [] for name in PAGES}
    with Browser() as browser:
        for number in range(1, options.rounds + 1):
            print(f"pages: round {number} of {options.rounds}", file=sys.stderr, flush=True)
            for name, path in PAGES.items():
                server = _server_milliseconds(url, path, key)
                with _signed_in(browser, url, key) as page:
                    rounds[name].append(Visit(server, *_painted(page, url + path)))
    verdicts = []
    for figure, unit, bound in (
        ("server", "ms", MAX_MILLISECONDS),
        ("kilobytes", "KB", MAX_KILOBYTES),
        ("paint", "ms", MAX_PAINT),
    ):
        medians = {
            name: statistics.median(getattr(one, figure) for one in visits)
            for name, visits in rounds.items()
        }
        worst = max(medians, key=lambda name: medians[name])
        verdicts.append(Verdict(f"{figure} of a page ({worst})", medians[worst], unit, bound))
    return Table("pages", rounds, next(iter(PAGES)), (), verdicts)


def _mlflow(launcher: Launcher, options: Namespace) -> Table:
    python = Path(sys.executable)
    # Without workspaces, because its UI would first ask for one.
    direct = start_mlflow(launcher, "direct", python)
    behind = start_mlflow(launcher, "behind", python, "--enable-workspaces")
    gateway = start_gateway(launcher, behind.base, "ui", HOKUSAI_SESSION_RATE_LIMIT=str(UNLIMITED))
    keys = {"direct": "", "gateway": gateway.authorization.removeprefix("Bearer ")}
    addresses = {
        target.name: f"{target.base}/#/experiments/1/runs/{new_run(target)}"
        for target in (direct, gateway)
    }
    with Browser() as browser:

        def visit(name: str) -> RunPage:
            parts = urlsplit(addresses[name])
            with _signed_in(browser, f"{parts.scheme}://{parts.netloc}", keys[name]) as page:
                began = time.perf_counter()
                page.goto(addresses[name])
                page.get_by_text("metric-3").first.wait_for()
                return RunPage(time.perf_counter() - began)

        for name in addresses:
            visit(name)
        measures = {name: partial(visit, name) for name in addresses}
        rounds: Rounds = dict(alternate("pages-mlflow", options.rounds, measures))
    times = median_ratio(rounds, "seconds", "gateway", "direct")
    verdict = Verdict("time to the page of a run", times, "x direct", MAX_RATIO)
    return Table("pages-mlflow", rounds, "direct", ("seconds",), [verdict])


@contextmanager
def _signed_in(browser: "Browser", origin: str, key: str) -> Iterator["Page"]:
    """A page of a new visitor, who has signed in if there is a key."""
    with browser.context(origin) as context:
        if key:
            _sign_in(context, origin, key)
        yield context.new_page()


def _sign_in(context: "BrowserContext", origin: str, key: str) -> None:
    response = context.request.post(
        "/api/auth/sign-in", data={"key": key}, headers={"Origin": origin}
    )
    if not response.ok:
        raise RuntimeError(f"could not sign in: {response.text()}")


def _painted(page: "Page", address: str) -> tuple[float, float]:
    """Milliseconds until the first paint, and kilobytes of all that was loaded."""
    page.goto(address, wait_until="load")
    paint, size = page.evaluate(
        """() => new Promise(resolve => {
            const size = () => [...performance.getEntriesByType("navigation"),
                ...performance.getEntriesByType("resource")]
                .reduce((sum, one) => sum + one.transferSize, 0);
            new PerformanceObserver(list => resolve([list.getEntries()[0].startTime, size()]))
                .observe({type: "paint", buffered: true});
        })"""
    )
    return paint, size / 1000


def _server_milliseconds(url: str, path: str, key: str) -> float:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    headers = {"Origin": url, "Content-Type": "application/json"}
    connection.request("POST", "/api/auth/sign-in", json.dumps({"key": key}), headers)
    response = connection.getresponse()
    response.read()
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Accept-Encoding": "gzip", "Accept": "text/html"}
    times = []
    # The first ones compile statements and templates.
    for number in range(REQUESTS + 3):
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status} for {path}: {body[:500]!r}")
        if number >= 3:
            times.append((time.perf_counter() - began) * 1000)
    connection.close()
    return statistics.median(times)
