"""MLflow's web interface in Chromium: every page works with a session, and nothing else runs."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Error, Page, Request

from tests.data_plane.proxy.tenant_fixture_data import (
    FILES,
    V2,
    TenantData,
    create_tenant_data,
)
from tests.support.browser import Browser, Visitor, screenshot
from tests.support.gateway import RunningGateway
from tests.support.responses import good

PAGE = "/api/mlflow/"
# Chromium never reports the end of its download.
WORKER = "telemetry-worker"
# Of MLflow's own: a table that it resizes while it is being drawn.
HARMLESS = r"ResizeObserver loop completed"


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.key("browsing")


@pytest.fixture(scope="module")
def tenant(gateway: RunningGateway, key: str) -> Iterator[TenantData]:
    with gateway.client(key) as client:
        yield create_tenant_data(client, "browsing")


@pytest.fixture(scope="module")
def window(gateway: RunningGateway, browser: Browser, key: str) -> Iterator[Visitor]:
    """A person who has signed in, and goes from page to page."""
    with browser.visitor(gateway.url) as visitor:
        sign_in(visitor, key)
        visitor.expect(HARMLESS)
        yield visitor


@pytest.fixture(scope="module")
def page(window: Visitor) -> Page:
    return opened(window, "#/")


@pytest.fixture
def visitor(gateway: RunningGateway, browser: Browser, key: str) -> Iterator[Visitor]:
    """A person who has signed in anew."""
    with browser.visitor(gateway.url) as visitor:
        sign_in(visitor, key)
        visitor.expect(HARMLESS)
        yield visitor


def sign_in(visitor: Visitor, key: str) -> None:
    response = visitor.context.request.post(
        "/api/auth/sign-in", data={"key": key}, headers={"Origin": visitor.origin}
    )
    assert response.status == 201, response.text()


def opened(visitor: Visitor, fragment: str, **options: Any) -> Page:
    """A page of the interface, once nothing more is being loaded."""
    page = visitor.page(**options)
    settled = settling(page)
    page.goto(PAGE + fragment)
    settled()
    return page


def go_to(page: Page, fragment: str) -> None:
    """Another page of the interface, which is not loaded anew."""
    settled = settling(page)
    page.evaluate("place => { location.hash = place }", fragment)
    settled()


def settling(page: Page) -> Callable[[], None]:
    """A function that waits until a page has sent nothing for three tenths of a second."""
    pending: set[Request] = set()

    def began(request: Request) -> None:
        if WORKER not in request.url:
            pending.add(request)

    def ended(request: Request) -> None:
        pending.discard(request)

    page.on("request", began)
    page.on("requestfinished", ended)
    page.on("requestfailed", ended)

    def wait() -> None:
        quiet = 0
        while quiet < 3:
            page.wait_for_timeout(100)
            quiet = 0 if pending else quiet + 1

    return wait


# Each page: its place in the fragment, and what is in it.
PAGES = {
    "home": ("#/", "Welcome to MLflow"),
    "experiments": ("#/experiments", "{experiment_name}"),
    "experiment": ("#/experiments/{experiment}", "{experiment_name}"),
    "runs": ("#/experiments/{experiment}/runs", "{experiment_name}"),
    "run": ("#/experiments/{experiment}/runs/{run}", "{run}"),
    "run-metrics": ("#/experiments/{experiment}/runs/{run}/model-metrics", "metric"),
    "run-artifacts": ("#/experiments/{experiment}/runs/{run}/artifacts", "{file_name}"),
    "run-traces": ("#/experiments/{experiment}/runs/{run}/traces", "{marker}-input"),
    "traces": ("#/experiments/{experiment}/traces", "{marker}-input"),
    "trace": ("#/experiments/{experiment}/traces?selectedEvaluationId={trace}", "{marker}-input"),
    "datasets": ("#/experiments/{experiment}/datasets", "{dataset_name}"),
    "logged-models": ("#/experiments/{experiment}/models", "{logged_name}"),
    "logged-model": ("#/experiments/{experiment}/models/{model}", "{logged_name}"),
    "logged-artifacts": ("#/experiments/{experiment}/models/{model}/artifacts", "MLmodel"),
    "models": ("#/models", "{registered}"),
    "model": ("#/models/{registered}", "{registered}"),
    "version": ("#/models/{registered}/versions/2", "{registered}"),
    "prompts": ("#/prompts", "{prompt}"),
    "prompt": ("#/prompts/{prompt}", "{prompt}"),
    "compare": ('#/compare-runs?runs=["{run}"]&experiments=["{experiment}"]', "{run}"),
    "sessions": ("#/experiments/{experiment}/chat-sessions", "{experiment_name}"),
    "evaluation": ("#/experiments/{experiment}/evaluation-runs", "{experiment_name}"),
    "judges": ("#/experiments/{experiment}/judges", "{experiment_name}"),
    "review": ("#/experiments/{experiment}/review-queue", "Review"),
    "playground": ("#/experiments/{experiment}/playground", "{experiment_name}"),
    "mcp-servers": ("#/mcp-registry", "MCP"),
    "settings": ("#/settings/general", "Settings"),
    "webhooks": ("#/settings/webhooks", "Webhooks"),
    "connections": ("#/settings/llm-connections", "Settings"),
    "account": ("#/account", "browsing"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_works(window: Visitor, page: Page, tenant: TenantData, name: str) -> None:
    """No error on the console, no violation of the policy, no failed request, no other origin."""
    values = {field: getattr(tenant, field) for field in vars(tenant)}
    values["file_name"] = tenant.file_name
    fragment, text = (template.format_map(values) for template in PAGES[name])
    go_to(page, fragment)
    screenshot(page, f"mlflow-{name}")
    page.get_by_text(re.compile(re.escape(text))).first.wait_for(state="attached")
    found = list(window.problems)
    window.problems.clear()
    assert found == []


def test_a_printed_link_opens_the_run(visitor: Visitor, tenant: TenantData) -> None:
    page = opened(visitor, f"#/experiments/{tenant.experiment}/runs/{tenant.run}")
    page.get_by_text(tenant.run).first.wait_for()


def test_the_assistant_does_not_open_by_itself(page: Page) -> None:
    assert page.evaluate("localStorage.getItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1')")
    assert page.get_by_text("Set up", exact=False).count() == 0


def test_no_page_says_that_usage_data_is_collected(visitor: Visitor) -> None:
    page = opened(visitor, "#/")
    page.get_by_text("Welcome to MLflow").wait_for()
    assert page.get_by_text("UI telemetry").count() == 0


def test_the_side_bar_leads_to_the_registry_and_out(visitor: Visitor) -> None:
    page = opened(visitor, "#/experiments")
    side_bar = page.get_by_role("complementary")
    side_bar.get_by_role("button", name="Account menu for browsing").wait_for()
    registry = side_bar.get_by_role("link", name="Hokusai registry")
    assert registry.get_attribute("href") == "/"
    page.get_by_role("button", name="Toggle sidebar").click()
    side_bar.get_by_role("link", name="Sign out").wait_for()
    page.get_by_role("button", name="Toggle sidebar").click()
    screenshot(page, "mlflow-side-bar")
    without_sign_in_page(page)
    side_bar.get_by_role("link", name="Sign out").click()
    page.wait_for_url("**/login")
    assert visitor.context.cookies() == []


def without_sign_in_page(page: Page) -> None:
    """Let the sign-in page be empty."""
    page.route("**/login*", lambda route: route.fulfill(body="sign in"))


def test_a_session_that_ends_within_a_page_leads_back_to_it(
    visitor: Visitor, tenant: TenantData
) -> None:
    place = f"#/experiments/{tenant.experiment}/models"
    page = opened(visitor, place)
    ended = visitor.context.request.delete(
        "/api/auth/sessions/current", headers={"Origin": visitor.origin}
    )
    assert ended.status == 204
    visitor.expect(r"^401 ")
    without_sign_in_page(page)
    # The page may request something by itself, and leave while this is being evaluated.
    with suppress(Error):
        page.evaluate("fetch('ajax-api/2.0/mlflow/users/current').then(() => null)")
    page.wait_for_url("**/login?next=*")
    (target,) = parse_qs(urlsplit(page.url).query)["next"]
    assert target.startswith(PAGE + place)


@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_what_a_trace_contains_is_a_download(tenant: TenantData, version: str) -> None:
    path = f"/api/mlflow/ajax-api/{version}/mlflow/get-trace-artifact"
    response = tenant.client.get(path, params={"request_id": tenant.trace_otlp})
    assert response.status_code == 200, response.text
    assert tenant.marker in response.text
    is_json = response.headers["content-type"] == "application/json"
    policy = response.headers.get("content-security-policy")
    assert is_json or policy == "default-src 'none'; sandbox"
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["x-content-type-options"] == "nosniff"


SCRIPT = """
fetch('/api/mlflow/ajax-api/2.0/mlflow/users/current')
  .then(response => response.text()).then(text => { document.title = 'ran ' + text })
document.title = 'ran'
"""
# Loads an address as a script of a page, and as a worker.
LOAD = """
async address => {
  const outcome = thing => new Promise(resolve => {
    thing.onload = thing.onmessage = () => resolve('loaded')
    thing.onerror = () => resolve('refused')
  })
  const script = document.createElement('script')
  const loading = outcome(script)
  script.type = 'module'
  script.src = address
  document.body.append(script)
  return [await loading, await outcome(new Worker(address, {type: 'module'}))]
}
"""
HTML = f"<!doctype html><title>data</title><script>{SCRIPT}</script>"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><title>data</title><script>{SCRIPT}</script></svg>'


@pytest.fixture(scope="module")
def target(gateway: RunningGateway, browser: Browser, key: str) -> Iterator[Page]:
    """The page of a person who comes upon uploaded files."""
    with browser.visitor(gateway.url) as visitor:
        sign_in(visitor, key)
        visitor.expect(HARMLESS)
        visitor.expect(r"sandbox|Content Security Policy|content-security-policy|MIME type")
        yield opened(visitor, "#/")


@pytest.mark.parametrize(("name", "content"), [("x.html", HTML), ("x.svg", SVG), ("x.mjs", SCRIPT)])
def test_an_uploaded_file_cannot_use_the_session(
    gateway: RunningGateway, target: Page, key: str, name: str, content: str
) -> None:
    with gateway.client(key) as client:
        run, root = new_run(client)
        put = client.put(f"{FILES}/{root}/{name}", content=content.encode())
        assert put.status_code == 200
    for address in (
        f"{FILES}/{root}/{name}",
        f"/api/mlflow/get-artifact?run_id={run}&path={name}",
    ):
        # Opened as a page, it is downloaded; in a page of the same origin, it is not a script.
        with target.expect_download() as download:
            target.evaluate(f"location.href = '{address}'")
        assert download.value.suggested_filename == name
        assert target.evaluate(LOAD, address) == ["refused", "refused"]
        assert "ran" not in target.title()


def new_run(client: httpx.Client) -> tuple[str, str]:
    """The id of a new run, and where its artifacts are."""
    created = client.post(f"{V2}/runs/create", json={"experiment_id": "0"})
    info = good(created)["run"]["info"]
    return info["run_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")
