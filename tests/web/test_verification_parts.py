"""The parts of templates/verification.html: "Check it here", and two checkpoints of the log."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined
from playwright.sync_api import Page, Route, expect

from app.web.rendering import HEADERS
from app.web.static_files import static_path
from tests.support.browser import Browser, Visitor, accessibility_problems
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.training import Training
from tests.support.transparency_log import NOTE

PAGE = """<!doctype html><html lang="en"><head><title>Parts</title>
{% from "verification.html" import check_here, compare_checkpoints, scripts %}
<link rel="stylesheet" href="{{ static('style.css') }}">
{{ scripts() }}<script defer src="{{ static('checkpoints.js') }}"></script></head>
<body><main><h1>Parts</h1>{{ PART }}</main></body></html>"""


@pytest.fixture(scope="module")
def trainer(gateway: RunningGateway) -> Iterator[Training]:
    with Training.of(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def known(trainer: Training) -> dict[str, Any]:
    found: dict[str, Any] = good(trainer.client.get("/.well-known/hokusai-attestor.json"))
    return found


@pytest.fixture
def visitor(browser: Browser, gateway: RunningGateway) -> Iterator[Visitor]:
    with browser.visitor(gateway.url) as visitor:
        yield visitor


def page_with(visitor: Visitor, part: str, **values: Any) -> Page:
    """A page of the gateway's origin and policy that has a part."""
    environment = Environment(
        loader=PackageLoader("app.web"), autoescape=True, undefined=StrictUndefined
    )
    environment.globals["static"] = static_path
    template = environment.from_string(PAGE.replace("PART", part))
    html = template.render(**values)
    visitor.context.route(
        "**/parts",
        lambda route: route.fulfill(
            body=html, headers=HEADERS | {"content-type": "text/html; charset=utf-8"}
        ),
    )
    return visitor.page("/parts")


def test_an_attestation_is_checked_where_it_is_shown(
    visitor: Visitor, trainer: Training, known: dict[str, Any]
) -> None:
    hostile = {**trainer.improvement(), "note": "</script><script>alert(1)</script>"}
    page = page_with(visitor, "check_here(known, document)", known=known, document=hostile)
    assert page.get_by_role("status").is_hidden()
    page.get_by_role("button", name="Check it here").click()
    expect(page.get_by_role("status")).to_contain_text("This attestation holds: witnessed")
    assert "note" in page.locator("[data-part=unsigned]").inner_text()
    expect(page.locator("[data-check=inclusion] .result")).to_have_text("ok")
    assert accessibility_problems(page) == []


def test_two_checkpoints_are_compared_in_the_browser(
    visitor: Visitor, trainer: Training, known: dict[str, Any], gateway: RunningGateway
) -> None:
    trainer.improvement()
    early = _checkpoint(trainer.client)
    trainer.improvement()
    newest = _checkpoint(trainer.client)
    page = page_with(visitor, "compare_checkpoints(known, newest)", known=known, newest=newest)

    def compared(earlier: str) -> str:
        page.get_by_label("A checkpoint that you kept from before").fill(earlier)
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("status")).not_to_have_text(before)
        return page.get_by_role("status").inner_text()

    sizes = [int(note.split("\n")[1]) for note in (early, newest)]
    before = ""
    before = compared(early.strip())
    assert before == f"Ok: the tree of {sizes[1]} entries extends that of {sizes[0]}."
    before = compared(early.replace("\n\n", "x\n\n"))
    assert "not a valid checkpoint" in before
    lines = early.split("\n")
    before = compared("\n".join([*lines[:2], "A" * 43 + "=", *lines[3:]]))
    assert (
        before == f"Not ok: no log key that you trust for {lines[0]} has signed both checkpoints."
    )
    before = compared(newest)
    assert before == f"Ok: the tree of {sizes[1]} entries extends that of {sizes[1]}."
    visitor.context.set_offline(True)
    before = compared(early)
    assert before.startswith("Cannot say: the sizes are")
    assert accessibility_problems(page) == []


def test_no_result_is_shown_of_texts_that_have_changed(
    visitor: Visitor, trainer: Training, known: dict[str, Any]
) -> None:
    early = _checkpoint(trainer.client)
    trainer.improvement()
    newest = _checkpoint(trainer.client)
    page = page_with(visitor, "compare_checkpoints(known, newest)", known=known, newest=newest)
    held: list[Route] = []
    page.route("**/proof?*", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it
    status, compare = page.get_by_role("status"), page.get_by_role("button", name="Compare")
    earlier = page.get_by_label("A checkpoint that you kept from before")
    earlier.fill(early)
    with page.expect_request("**/proof?*"):
        compare.click()
    earlier.fill(newest)
    compare.click()
    size = newest.split("\n")[1]
    expect(status).to_have_text(f"Ok: the tree of {size} entries extends that of {size}.")
    with page.expect_request_finished():
        held.pop().continue_()
    # The page reads the response before that to this.
    page.evaluate("fetch('/livez').then(response => response.text())")
    expect(status).to_have_text(f"Ok: the tree of {size} entries extends that of {size}.")
    earlier.fill(early)
    expect(status).to_be_hidden()


def _checkpoint(client: httpx.Client) -> str:
    return client.get("/api/attestations/log", headers=NOTE).text
