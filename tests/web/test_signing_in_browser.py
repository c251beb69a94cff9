"""Signing in with a real browser: with a key, with wallets that really sign, with a link."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page

from tests.support.browser import (
    Browser,
    Visitor,
    problems_with_looks,
)
from tests.support.gateway import ALL_SCOPES, RunningGateway
from tests.support.responses import good
from tests.support.sign_in_link import link_of
from tests.support.wallet import Wallet

WHOAMI = "/api/auth/whoami"
# A wallet that signs with the function `signs` of the test: EIP-1193; with a name, EIP-6963.
PROVIDER = """
(() => {
  const provider = {
    async request({ method, params }) {
      if (method === "eth_requestAccounts") return [ADDRESS];
      if (method === "eth_chainId") return "0x2105";
      if (method === "personal_sign") return await window.signs(...params);
      throw Object.assign(new Error(method), { code: 4200 });
    },
  };
  if (NAME) {
    const icon = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>";
    const detail = { info: { uuid: NAME, name: NAME, icon, rdns: "x" }, provider };
    const announce = () =>
      dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze(detail) }));
    addEventListener("eip6963:requestProvider", announce);
    announce();
  } else {
    window.ethereum = provider;
  }
})();
"""


def whoami(page: Page) -> Any:
    return page.evaluate("async (path) => (await fetch(path)).json()", WHOAMI)


def install(visitor: Visitor, wallet: Wallet, name: str = "") -> list[str]:
    """Put a wallet into each page of a visitor: the texts that it signs."""
    texts: list[str] = []

    def signs(text: str, account: str) -> str:
        assert account == wallet.address
        texts.append(bytes.fromhex(text.removeprefix("0x")).decode())
        return f"0x{wallet.sign(texts[-1])}"

    visitor.context.expose_function("signs", signs)
    script = PROVIDER.replace("ADDRESS", json.dumps(wallet.address))
    visitor.context.add_init_script(script.replace("NAME", json.dumps(name)))
    return texts


def sign_in(page: Page, key: str) -> None:
    page.get_by_role("textbox", name="API key").fill(key)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_key_signs_in_and_leads_back_to_the_place_with_its_fragment(
    browser: Browser, gateway: RunningGateway
) -> None:
    with browser.visitor(gateway.url) as visitor:
        page = visitor.page("/account#keys")
        assert page.url == f"{gateway.url}/login?next=/account#keys"
        sign_in(page, gateway.key("in chromium"))
        page.wait_for_url("**/account#keys")
        assert whoami(page)["tenant"] == "in chromium"
        (cookie,) = visitor.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("way", ["key", "wallet"])
def test_a_link_that_mlflow_prints_survives_the_sign_in(
    browser: Browser, gateway: RunningGateway, way: str
) -> None:
    """Also the one to a search, with what browsers leave in a fragment without encoding it."""
    place = "/api/mlflow/#/experiments/0/runs?searchFilter=tags.url='https://a.example//b'&x=[]{}|^"
    with browser.visitor(gateway.url) as visitor:
        install(visitor, Wallet())
        page = visitor.page(place)
        assert page.url.startswith(f"{gateway.url}/login?next=/api/mlflow/#/experiments/0/runs")
        # MLflow's page, which would go on to pages of its own, is not what is tested.
        page.route("**/api/mlflow/", lambda route: route.fulfill(body="MLflow"))
        if way == "key":
            sign_in(page, gateway.key())
        else:
            page.get_by_role("button", name="Sign in with Browser wallet").click()
        page.wait_for_url(lambda url: "/login" not in url)
        assert unquote(page.url) == f"{gateway.url}{place}"


@pytest.mark.parametrize("name", ["", "Test Wallet"])
def test_a_wallet_signs_in_and_makes_a_key(
    browser: Browser, gateway: RunningGateway, name: str
) -> None:
    wallet = Wallet()
    with browser.visitor(gateway.url) as visitor:
        texts = install(visitor, wallet, name)
        page = visitor.page("/login?next=%2Faccount")
        page.get_by_role("button", name=f"Sign in with {name or 'Browser wallet'}").click()
        page.wait_for_url("**/account")
        me = whoami(page)
        assert (me["principal"], me["credential"]) == (wallet.principal, "session")
        assert "Chain ID: 8453" in texts[0]
        # Sooner than any timer of the page ends.
        page.add_init_script("window.setTimeout = () => 0")
        page.reload()
        page.get_by_label("What it is for").fill("notebook")
        page.get_by_label("How long it may work").select_option("90")
        page.get_by_role("button", name="Make the key").click()
        page.get_by_role("heading", name="Your new key").wait_for()
        key = page.locator("pre code").first.inner_text().strip()
        assert len(texts) == 2
    with gateway.client(key) as client:
        assert good(client.get(WHOAMI))["principal"] == wallet.principal


def test_a_link_signs_in_and_leaves_the_address_bar(
    browser: Browser, gateway: RunningGateway
) -> None:
    with gateway.client(gateway.key("by link")) as client:
        key_id = good(client.get(WHOAMI))["credential"]
    with ThreadPoolExecutor() as pool:  # Playwright occupies the event loop of this thread
        link = pool.submit(asyncio.run, link_of(gateway, key_id)).result()
    with browser.visitor(gateway.url) as visitor:
        page = visitor.page()
        page.goto(f"/login#link={link}")
        page.wait_for_url(f"{gateway.url}/")
        assert whoami(page)["tenant"] == "by link"
        page.go_back()
        assert link not in page.url
    with browser.visitor(gateway.url) as visitor:
        visitor.expect("401 /api/auth/sign-in")
        page = visitor.page(f"/login#link={link}")
        page.get_by_text("This sign-in link does not exist, was used").wait_for()
        assert page.url == f"{gateway.url}/login"


def test_a_person_who_does_not_sign_is_not_signed_in(
    browser: Browser, gateway: RunningGateway
) -> None:
    with browser.visitor(gateway.url) as visitor:
        visitor.context.add_init_script(
            "window.ethereum = { request: async ({ method }) => {"
            f"  if (method === 'eth_requestAccounts') return ['{Wallet().address}'];"
            "  if (method === 'eth_chainId') return '0x1';"
            "  throw Object.assign(new Error('rejected'), { code: 4001 }); } };"
        )
        page = visitor.page("/login")
        page.get_by_role("button", name="Sign in with Browser wallet").click()
        page.get_by_text("Nothing was signed.").wait_for()
        assert visitor.context.cookies() == []


def test_a_wrong_key_is_explained(browser: Browser, gateway: RunningGateway) -> None:
    with browser.visitor(gateway.url) as visitor:
        visitor.expect("401 /login")
        page = visitor.page("/login?next=%2Faccount")
        sign_in(page, "hk_live_wrong")
        page.get_by_role("alert").wait_for()
        assert "not a valid API key" in page.get_by_role("alert").inner_text()
        sign_in(page, gateway.key())
        page.wait_for_url("**/account")


def test_keys_sessions_and_the_scope_admin_on_the_account_page(
    browser: Browser, gateway: RunningGateway
) -> None:
    key = gateway.key(scopes=ALL_SCOPES)
    with browser.visitor(gateway.url) as visitor:
        page = visitor.page("/login?next=%2Faccount")
        page.on("dialog", lambda dialog: dialog.accept())
        sign_in(page, key)
        page.get_by_label("The key of this session").fill(key)
        page.get_by_role("button", name="Act as an admin").click()
        page.get_by_role("button", name="End it now").wait_for()
        page.get_by_label("What it is for").fill("cluster")
        page.get_by_role("button", name="Make the key").click()
        page.get_by_role("heading", name="Your new key").wait_for()
        made = page.locator("pre code").first.inner_text().strip()
        page.get_by_role("link", name="Done").click()
        row = page.get_by_role("row", name="cluster")
        row.get_by_label("When cluster ends").select_option("0")
        row.get_by_role("button", name="Rotate").click()
        page.get_by_role("heading", name="Your new key").wait_for()
        assert page.locator("pre code").first.inner_text().strip() != made
        page.get_by_role("link", name="Done").click()
        active = page.get_by_role("row", name="cluster").filter(has_not_text="rotated")
        active.get_by_role("button", name="Revoke").click()
        page.get_by_role("row", name="revoked").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/login")
        assert visitor.context.cookies() == []


def test_a_key_signs_in_without_scripts(browser: Browser, gateway: RunningGateway) -> None:
    with browser.visitor(gateway.url, java_script_enabled=False) as visitor:
        page = visitor.page("/account")
        sign_in(page, gateway.key("no scripts"))
        page.get_by_role("heading", name="Your account").wait_for()
        page.get_by_label("What it is for").fill("made without scripts")
        page.get_by_role("button", name="Make the key").click()
        page.get_by_role("heading", name="Your new key").wait_for()
        page.get_by_role("link", name="Done").click()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in", exact=True).wait_for()


def test_the_pages_are_legible_and_fit(browser: Browser, gateway: RunningGateway) -> None:
    # Axe adds a script, which the policy of the page forbids.
    with browser.visitor(gateway.url, bypass_csp=True) as visitor:
        page = visitor.page("/login?next=%2Faccount")
        assert problems_with_looks(page, "login") == []
        sign_in(page, gateway.key(scopes=ALL_SCOPES))
        page.wait_for_url("**/account")
        assert problems_with_looks(page, "account") == []
