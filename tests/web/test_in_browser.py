"""The model pages in Chromium: in both themes, narrow and wide, without a problem."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from app.standalone.mlflow import ChildMLflow
from tests.support.browser import Browser, problems_of_pages, scrolls_sideways
from tests.support.gateway import RunningGateway
from tests.support.grown_lineage import Lineage, grow
from tests.support.training import Training


@pytest.fixture(scope="module")
def registry(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> Iterator[tuple[RunningGateway, str, Lineage]]:
    """A gateway whose registry has one lineage, a key of its tenant, and the lineage."""
    with RunningGateway(new_database(), mlflow_server.url) as gateway:
        key = gateway.key("acme")
        with gateway.client(key) as client:
            yield gateway, key, grow(Training(client, "acme"))


def test_every_page_reads_well_in_both_themes_narrow_and_wide(
    browser: Browser, registry: tuple[RunningGateway, str, Lineage]
) -> None:
    gateway, key, lineage = registry
    pages = {
        "home": "/",
        "models": "/models",
        "models-none": "/models?type=none",
        "model": f"/models/{lineage.best}",
        "model-baseline": f"/models/{lineage.line[0]}",
        "model-withdrawn": f"/models/{lineage.withdrawn}",
        "lineage": f"/models/{lineage.best}/lineage",
        "compare": f"/models/compare?ids={','.join([*lineage.line, lineage.branch])}",
        "error": "/models/none",
    }
    with browser.visitor(gateway.url, {"X-API-Key": key}) as visitor:
        visitor.expect("404 /models/none")
        assert problems_of_pages(visitor, pages) == []


def test_what_is_short_can_be_copied_as_a_whole(
    browser: Browser, registry: tuple[RunningGateway, str, Lineage]
) -> None:
    gateway, key, lineage = registry
    with browser.visitor(
        gateway.url,
        {"X-API-Key": key},
        permissions=["clipboard-read", "clipboard-write"],
    ) as visitor:
        page = visitor.page()
        page.clock.install(time="2026-01-01")
        page.goto(f"/models/{lineage.best}")
        page.clock.pause_at("2026-01-02")
        button = page.locator(f'button[data-copy="{lineage.best}"]')
        label = button.get_attribute("aria-label")
        for _ in range(2):
            button.click()
            expect(button).to_have_attribute("aria-label", "Copied")
        assert page.evaluate("navigator.clipboard.readText()") == lineage.best
        page.clock.run_for(2000)
        expect(button).to_have_attribute("aria-label", str(label))
        button = page.locator("pre.paste button >> nth=-1")
        button.click()
        expect(button).to_have_attribute("aria-label", "Copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        fetched = f"hokusai attest --fetch {lineage.attestation['hash']} -o attestation.json"
        assert copied.splitlines()[1] == fetched


# The gap between each two neighbours in a picture, and how far the text of a box ends before it.
_GAPS = """() => {
    const box = one => one.getBoundingClientRect();
    const labels = [...document.querySelectorAll(".chart a .small")].map(box);
    const between = labels.slice(1).map((one, place) => one.left - labels[place].right);
    const within = [...document.querySelectorAll(".lineage .node")].flatMap(node =>
        [...node.querySelectorAll("text")].map(
            text => box(node.querySelector("rect")).right - box(text).right));
    return [between, within];
}"""


def test_long_names_of_models_do_not_touch_in_pictures(
    browser: Browser, registry: tuple[RunningGateway, str, Lineage]
) -> None:
    gateway, _, _ = registry
    key = gateway.key("others")
    with gateway.client(key) as client:
        training = Training(client, "others")
        model = training.registered(
            "baseline",
            run_id=training.run(accuracy=0.5),
            model_type="c",
            name="W" * 30,
            private=True,
        )
        for value, name in ((0.6, "customer-churn-of-europe-weekly"), (0.7, "Ж漢" * 12)):
            model = training.registered(
                "improved",
                run_id=training.run(accuracy=value),
                baseline_model_id=model["model_id"],
                name=name,
                data_contribution={"contributor": "0x" + "6c" * 20},
            )
    with browser.visitor(gateway.url, {"X-API-Key": key}) as visitor:
        page = visitor.page(f"/models/{model['model_id']}")
        between, within = page.evaluate(_GAPS)
        assert (len(between), len(within)) == (2, 6)
        assert min(between) > 4, between
        assert min(within) > 4, within


def test_a_long_name_hides_nothing_else_in_a_list(
    browser: Browser, registry: tuple[RunningGateway, str, Lineage]
) -> None:
    gateway, _, _ = registry
    tenant, name = "t" * 60, "W" * 200
    key = gateway.key(tenant)
    with gateway.client(key) as client:
        training = Training(client, tenant)
        model = training.registered(
            "baseline",
            run_id=training.run(**{name: 0.5}),
            model_type=name,
            name=name,
            primary_metric=name,
            private=True,
        )
    pages = ("/", "/models?name=" + name, f"/models/{model['model_id']}")
    with browser.visitor(gateway.url, {"X-API-Key": key}) as visitor:
        for path in pages:
            page = visitor.page(path)
            # Without a limit, one name would be several windows wide.
            too_wide = page.evaluate(
                """() => [...document.querySelectorAll(".scroll")]
                    .filter(box => box.scrollWidth > 1.5 * box.clientWidth)
                    .map(box => box.getAttribute("aria-label"))"""
            )
            assert too_wide == [], path
            for width in (1200, 360):
                page.set_viewport_size({"width": width, "height": 900})
                assert not scrolls_sideways(page), (path, width)


def test_one_follows_a_lineage_and_compares_models_with_the_keyboard(
    browser: Browser, registry: tuple[RunningGateway, str, Lineage]
) -> None:
    gateway, key, lineage = registry
    with browser.visitor(gateway.url, {"X-API-Key": key}) as visitor:
        page = visitor.page(f"/models/{lineage.best}")
        page.focus(f'svg.lineage a[href="/models/{lineage.branch}"]')
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/models/{lineage.branch}")
        page.goto("/models")
        for model_id in (lineage.best, lineage.branch):
            page.focus(f'input[value="{model_id}"]')
            page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_url("**/models/compare?**")
        expect(page.locator("table.compare thead a")).to_have_count(2)


def test_the_filters_can_be_used_without_scripts(
    browser: Browser, registry: tuple[RunningGateway, str, Lineage]
) -> None:
    gateway, key, lineage = registry
    with browser.visitor(gateway.url, {"X-API-Key": key}, java_script_enabled=False) as visitor:
        page = visitor.page("/models")
        page.select_option("select[name=kind]", "baseline")
        with page.expect_navigation():
            page.click("form.filters button")
        links = page.locator("td a:has(b)")
        assert [link.get_attribute("href") for link in links.all()] == [
            f"/models/{lineage.line[0]}"
        ]
