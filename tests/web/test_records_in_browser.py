"""Contributors, attestations, the log and administration in Chromium: both themes, two widths."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from app.standalone.mlflow import ChildMLflow
from tests.support.browser import Browser, problems_of_pages
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.grown_lineage import CONTRIBUTORS, Lineage, grow
from tests.support.responses import good
from tests.support.training import Training


@dataclass
class Registry:
    """A gateway whose registry has one lineage, and an admin's key."""

    gateway: RunningGateway
    admin: str
    lineage: Lineage
    revoked: str


@pytest.fixture(scope="module")
def registry(new_database: Callable[[], str], mlflow_server: ChildMLflow) -> Iterator[Registry]:
    with RunningGateway(new_database(), mlflow_server.url) as gateway:
        key = gateway.key("acme", scopes=ALL_SCOPES)
        with gateway.client(key) as client:
            lineage = grow(Training(client, "acme"))
            body = {"kind": "claimed", "metrics": {"accuracy": 0.9}, "private": True}
            claimed = good(client.post("/api/attestations", json=body), 201)["hash"]
            reason = {"reason": "The test set leaked into the training data."}
            good(client.post(f"/api/attestations/{claimed}/revoke", json=reason))
            for name in ("training cluster", "<b>ci</b>"):
                good(client.post("/api/admin/keys", json={"name": name, "tenant": "globex"}), 201)
        yield Registry(gateway, key, lineage, claimed)


def test_every_page_reads_well_in_both_themes_narrow_and_wide(
    browser: Browser, registry: Registry
) -> None:
    gateway = registry.gateway
    with gateway.client(registry.admin) as client:
        key = good(client.get("/api/admin/keys", params={"tenant": "globex"}))["items"][0]["id"]
    pages = {
        "contributors": "/contributors",
        "contributor": f"/contributors/{CONTRIBUTORS[0]}",
        "attestations": "/attestations",
        "attestations-none": "/attestations?run_id=none",
        "attestation": f"/attestations/{registry.lineage.attestation['hash']}",
        "attestation-revoked": f"/attestations/{registry.revoked}",
        "log": "/log",
        "admin-keys": "/admin/keys",
        "admin-key": f"/admin/keys/{key}",
        "admin-tenants": "/admin/tenants",
        "admin-tenant": "/admin/tenants/acme",
        "admin-audit": "/admin/audit",
    }
    with browser.visitor(gateway.url, {"X-API-Key": registry.admin}) as visitor:
        assert problems_of_pages(visitor, pages) == []


def test_an_attestation_is_checked_on_its_page_and_by_its_link(
    browser: Browser, registry: Registry
) -> None:
    origin, digest = registry.gateway.url, registry.lineage.attestation["hash"]
    with browser.visitor(origin, {"X-API-Key": registry.admin}) as visitor:
        page = visitor.page(f"/attestations/{digest}")
        page.get_by_role("button", name="Check it here").click()
        expect(page.get_by_role("status")).to_contain_text("This attestation holds: witnessed")
        revocation = page.locator("tr[data-check=revocation]")
        assert revocation.get_attribute("data-result") == "unchecked"
        page.get_by_role("button", name="Check it with the whole log").click()
        expect(page.get_by_role("status")).to_contain_text("the log does not revoke it")
        assert revocation.get_attribute("data-result") == "holds"
        link = page.get_by_role("link", name="This link").get_attribute("href")
    assert link is not None
    with browser.visitor(origin) as stranger:
        page = stranger.page(link)
        expect(page.get_by_role("status")).to_contain_text("This attestation holds: witnessed")


def test_a_stranger_sees_that_the_log_has_only_grown(browser: Browser, registry: Registry) -> None:
    with registry.gateway.client() as client:
        note = client.get("/api/attestations/log", headers={"Accept": "text/plain"}).text
    with browser.visitor(registry.gateway.url) as stranger:
        page = stranger.page("/log")
        page.get_by_label("A checkpoint that you kept from before").fill(note)
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("status")).to_contain_text("Ok:")
