"""/verify: attestations are checked in the browser, which sends nothing and needs no network.

Longer than most files here: one page has all fields, and one attestation serves all its tests.
"""

import base64
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hokusai.verify import LogExport, verify
from hokusai.verify.model_files import hash_directory
from hokusai.witness.signing import WitnessSigner
from playwright.sync_api import Page, expect

from tests.control_plane.attestations.make_vectors import TAMPERED
from tests.support import envelopes
from tests.support.browser import (
    Browser,
    Visitor,
    problems_with_looks,
)
from tests.support.gateway import RunningGateway
from tests.support.responses import good
from tests.support.training import Training

VECTORS = Path(__file__).parents[2] / "hokusai-ml-platform" / "tests" / "vectors"
RESULTS = {"ok": "holds", "not ok": "fails", "cannot say": "unchecked"}


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with gateway.client(gateway.key("trainer-of-the-page")) as client:
        yield client


@pytest.fixture(scope="module")
def attestation(client: httpx.Client) -> dict[str, Any]:
    return Training(client).improvement()


@pytest.fixture(scope="module")
def known(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = good(client.get("/.well-known/hokusai-attestor.json"))
    return found


@pytest.fixture
def visitor(browser: Browser, gateway: RunningGateway) -> Iterator[Visitor]:
    with browser.visitor(gateway.url) as visitor:
        yield visitor


def choose(
    page: Page, document: object, name: str = "attestation.json", into: str = "file"
) -> None:
    """Choose a file with a document, which is text or is written as JSON."""
    text = document if isinstance(document, str) else json.dumps(document)
    file = {"name": name, "mimeType": "application/json", "buffer": text.encode()}
    page.locator(f"[data-part={into}]").set_input_files(file)  # type: ignore[arg-type]


def paste(page: Page, text: str) -> None:
    page.get_by_label("Or paste its text").fill(text)
    page.get_by_role("button", name="Check", exact=True).click()


def shown(page: Page) -> dict[str, tuple[str, str]]:
    """The result and the reason of each check, as the page shows them once all files are read."""
    expect(page.locator("[data-verify]")).not_to_have_attribute("aria-busy", "true")
    return {
        row.get_attribute("data-check") or "": (
            RESULTS[row.locator("td .result").first.inner_text()],
            row.locator("td span").first.inner_text(),
        )
        for row in page.locator("[data-part=rows] tr").all()
    }


def reported(document: object, **trusted: Any) -> dict[str, tuple[str, str]]:
    """The same, as the SDK finds it."""
    report = verify(json.dumps(document), **trusted)
    return {check.name: (check.result.value, check.detail) for check in report.checks}


def verdict(page: Page) -> str:
    expect(page.locator("[data-verify]")).not_to_have_attribute("aria-busy", "true")
    return page.get_by_role("status").inner_text()


def test_a_good_document_holds_in_every_way_to_give_it(
    visitor: Visitor, attestation: dict[str, Any], known: dict[str, Any]
) -> None:
    sent: list[str] = []
    page = visitor.page("/verify")
    visitor.context.on("request", lambda request: sent.append(request.url))
    expected = reported(attestation, known=known)
    text = json.dumps(attestation)

    choose(page, attestation)
    expect(page.get_by_role("status")).to_contain_text("holds: witnessed, signed by 0x")
    assert shown(page) == expected
    assert "Whether it was revoked since was not checked." in verdict(page)
    assert "that this gateway names" in page.locator("[data-part=compared]").inner_text()
    shown_data = page.locator("[data-part=data]").text_content() or ""
    assert json.loads(shown_data) == attestation["data"]

    page.reload()
    sent.clear()
    paste(page, text)
    assert shown(page) == expected

    page.reload()
    sent.clear()
    page.locator("[data-part=drop]").evaluate(
        """(zone, text) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "attestation.json"));
            zone.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
        }""",
        text,
    )
    expect(page.locator("[data-check=hash]")).to_be_visible()
    assert shown(page) == expected
    # The icon may arrive after the rest of the page.
    assert [url for url in sent if "/static/" not in url] == []

    for fragment in (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
        httpx.QueryParams({"x": text}).__str__().removeprefix("x=").replace("+", "%20"),
    ):
        linked = visitor.page(f"/verify#attestation={fragment}")
        assert shown(linked) == expected
    assert not any(
        attestation["hash"] in url or "attestation=" in url.partition("#")[0] for url in sent
    )


def test_each_tampered_document_is_found_and_the_sdk_says_the_same(
    visitor: Visitor, attestation: dict[str, Any], known: dict[str, Any]
) -> None:
    page = visitor.page("/verify")
    for path, value, fails in TAMPERED:
        document = copy.deepcopy(attestation)
        *way, last = path.split(".")
        place = document
        for step in way:
            place = place[step]
        if place[last] == value:
            continue
        place[last] = value
        paste(page, json.dumps(document))
        found = shown(page)
        assert found == reported(document, known=known), path
        assert found[fails][0] == "fails", path
        assert verdict(page).startswith("This attestation does not hold."), path


def test_what_is_not_an_attestation_is_an_error_in_words(visitor: Visitor) -> None:
    page = visitor.page("/verify")
    for text, words in (
        ("{", "not valid JSON"),
        ("[]", "An attestation is a JSON object."),
        ('{"hash": 1, "hash": 2}', "same key twice"),
        (" ", "empty"),
    ):
        paste(page, text)
        assert words in verdict(page)
        assert page.locator("[data-part=results]").is_hidden()
    page.goto("/verify#attestation=x")
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("The link is not complete")
    choose(page, "x" * (8 * 1024 * 1024 + 1))
    expect(page.get_by_role("status")).to_contain_text("larger than 8192 KiB")
    page.get_by_label("Attestors").fill("0x12")
    paste(page, "{}")
    assert "A trusted attestor or key is not valid" in verdict(page)


def test_what_a_document_says_is_never_read_as_html(
    visitor: Visitor, attestation: dict[str, Any]
) -> None:
    hostile = "<img src=x onerror=alert(1)>\u202e"
    page = visitor.page("/verify")
    changed = {**attestation, hostile: 1, "log": {**attestation["log"], "checkpoint": hostile}}
    paste(page, json.dumps(changed))
    assert "<img" in page.locator("[data-part=unsigned]").inner_text()
    assert "\u202e" not in page.locator("main").inner_text()
    assert page.locator("main img").count() == 0


def test_a_name_does_not_reverse_the_text_after_it(visitor: Visitor) -> None:
    page = visitor.page("/verify")
    page.locator("main").evaluate(
        """main => {
            for (const name of ["a", "b", "code"]) {
                const line = document.createElement("p");
                const chosen = document.createElement(name);
                const after = document.createElement("i");
                chosen.textContent = "\u202eabc";
                after.textContent = "after";
                line.append(chosen, " ", after);
                main.append(line);
            }
        }"""
    )
    for line in page.locator("p:has(i)").all():
        chosen, after = (line.locator(":scope > *").nth(at).bounding_box() for at in (0, 1))
        assert chosen
        assert after
        assert chosen["x"] + chosen["width"] <= after["x"]
    assert page.locator("p:has(i)").count() == 3


def test_one_may_trust_others_than_this_gateway(
    visitor: Visitor, attestation: dict[str, Any]
) -> None:
    page = visitor.page("/verify")
    choose(page, attestation)
    page.get_by_label("Attestors").fill("0x" + "11" * 20)
    page.get_by_label("Attestors").blur()
    expect(page.locator("[data-check=signer] .result")).to_have_text("not ok")
    assert "that you have put in" in page.locator("[data-part=compared]").inner_text()
    page.get_by_label("Attestors").fill("")
    page.get_by_label("Attestors").blur()
    expect(page.locator("[data-check=signer] .result")).to_have_text("cannot say")
    assert "whether to trust its signer cannot be said" in verdict(page)


def test_a_revocation_is_found_in_the_log_and_the_gateway_says_so_when_asked(
    visitor: Visitor, client: httpx.Client, known: dict[str, Any]
) -> None:
    revoked = Training(client).improvement(before=0.5)
    good(client.post(f"/api/attestations/{revoked['hash']}/revoke", json={"reason": "It leaked."}))
    pages, start = [], 0
    while start is not None:
        query = {"start": start, "limit": 1000}
        pages.append(good(client.get("/api/attestations/log/entries", params=query)))
        start = pages[-1]["next"]
    page = visitor.page("/verify")
    choose(page, revoked)
    expect(page.locator("[data-check=revocation] .result")).to_have_text("cannot say")

    page.get_by_text("The log, to see whether it was revoked").click()
    choose(page, "\n".join(map(json.dumps, pages)), "log.jsonl", into="log")
    expect(page.locator("[data-check=revocation] .result")).to_have_text("not ok")
    assert shown(page) == reported(revoked, known=known, log=LogExport.read(pages))

    page.reload()
    choose(page, revoked)
    page.get_by_text("The log, to see whether it was revoked").click()
    page.get_by_role("button", name="Read the log of this gateway").click()
    expect(page.locator("[data-check=revocation] .result")).to_have_text("not ok")
    assert "It leaked." in page.locator("[data-check=revocation]").inner_text()
    assert shown(page)["consistency"][0] == "holds"

    page.reload()
    choose(page, revoked)
    assert page.get_by_text("By the gateway").is_hidden()
    page.get_by_role("button", name="Send it to the gateway, to check it too").click()
    theirs = page.locator("[data-check=revocation] td[data-where='By the gateway']")
    expect(theirs.locator(".result")).to_have_text("not ok")
    assert "it was revoked at" in theirs.inner_text()
    assert page.get_by_role("columnheader", name="By the gateway").is_visible()


def test_a_bundle_is_checked_with_the_keys_that_are_shown(
    visitor: Visitor, client: httpx.Client, attestation: dict[str, Any], known: dict[str, Any]
) -> None:
    bundle = good(client.get(f"/api/attestations/{attestation['hash']}/bundle"))
    page = visitor.page("/verify")
    choose(page, attestation)
    page.get_by_text("A bundle of it, for public tools").click()
    for one, result in ((bundle, "holds"), (envelopes.changed(bundle), "fails")):
        choose(page, one, into="bundle")
        expect(page.locator("[data-check=bundle]")).to_have_attribute("data-result", result)
        assert shown(page) == reported(attestation, known=known, bundle=one)
    assert "Not ok: bundle." in verdict(page)
    choose(page, bundle, into="bundle")
    for text, result in (("", "unchecked"), (known["envelopes"]["key"] * 2, "holds")):
        page.get_by_label("Keys of bundles").fill(text)
        page.get_by_label("Attestors").focus()
        expect(page.locator("[data-check=bundle]")).to_have_attribute("data-result", result)
    page.get_by_label("Keys of bundles").fill("-----BEGIN KEY-----\nno key\n-----END KEY-----")
    page.get_by_label("Attestors").focus()
    expect(page.get_by_role("status")).to_contain_text("an envelope key is a public key in PEM")


def test_only_the_files_that_were_chosen_last_are_checked(
    visitor: Visitor, client: httpx.Client, attestation: dict[str, Any]
) -> None:
    bundle = good(client.get(f"/api/attestations/{attestation['hash']}/bundle"))
    page = visitor.page("/verify")
    choose(page, attestation)
    page.get_by_text("A bundle of it, for public tools").click()
    page.evaluate(
        """() => {
            const read = Blob.prototype.arrayBuffer;
            const slow = new Promise((resolve) => (globalThis.finish = resolve));
            Blob.prototype.arrayBuffer = async function () {
                if (this.name === "slow.json") await slow;
                return read.call(this);
            };
        }"""
    )
    choose(page, envelopes.changed(bundle), "slow.json", into="bundle")
    expect(page.get_by_role("status")).to_have_text("Reading the files.")
    choose(page, bundle, into="bundle")
    page.evaluate("finish()")
    assert shown(page)["bundle"][0] == "holds"

    choose(page, "x" * (8 * 1024 * 1024 + 1), "large.json", into="bundle")
    assert "large.json is larger than 8192 KiB." in verdict(page)
    paste(page, json.dumps(attestation))
    assert "large.json is larger than 8192 KiB." in verdict(page)
    choose(page, bundle, into="bundle")
    assert verdict(page).startswith("This attestation holds")


def require_witnesses(page: Page, keys: str, quorum: str = "") -> None:
    """Fill in which witnesses must have cosigned."""
    page.get_by_label("Keys of witnesses").fill(keys)
    page.get_by_label("At least so many of them").fill(quorum)
    page.get_by_label("Attestors").focus()


def test_witnesses_are_required_that_are_put_in(
    visitor: Visitor, attestation: dict[str, Any], known: dict[str, Any]
) -> None:
    one, two = (WitnessSigner(f"w{number}.example", bytes([number]) * 32) for number in (1, 2))
    document = copy.deepcopy(attestation)
    body = document["log"]["checkpoint"].rpartition("\n\n")[0] + "\n"
    document["log"]["checkpoint"] += one.cosign(body, 1_800_000_000)
    page = visitor.page("/verify")
    choose(page, document)
    assert page.locator("[data-check=witnesses]").count() == 0
    page.get_by_text("Witnesses that must have cosigned the log").click()
    both = [one.key, two.key]
    for keys, quorum, result in (
        ([one.key], "", "holds"),
        (both, "", "fails"),
        (both, "1", "holds"),
        (both, "2", "fails"),
    ):
        require_witnesses(page, "\n".join(keys), quorum)
        expect(page.locator("[data-check=witnesses]")).to_have_attribute("data-result", result)
        required = {"witnesses": keys, "quorum": int(quorum) if quorum else None}
        assert shown(page) == reported(document, known=known, **required)
    assert "Not ok: witnesses." in verdict(page)
    require_witnesses(page, "\n".join(both), "3")
    expect(page.get_by_role("status")).to_contain_text("a quorum of 3 needs as many different")
    require_witnesses(page, known["log"]["key"])
    expect(page.get_by_role("status")).to_contain_text("the witness key is not an Ed25519 key")
    require_witnesses(page, "", "1")
    expect(page.get_by_role("status")).to_contain_text("This attestation holds")


def test_a_directory_and_the_signature_of_a_model_are_compared(
    visitor: Visitor, attestation: dict[str, Any], known: dict[str, Any], tmp_path: Path
) -> None:
    """Of an attestation that names no files. The package's own tests have the other results."""
    page = visitor.page("/verify")
    choose(page, attestation)
    page.get_by_text("The model's files").click()
    directory = envelopes.write_model(tmp_path / "model", {"MLmodel": b"x", "data/a": b"1"})
    page.get_by_label("A directory with them").set_input_files(directory)
    signature = json.loads((VECTORS / "model_signatures_v1.json").read_text())["signature"]
    choose(page, signature, "model.sig", into="model-signature")
    expect(page.locator("[data-check=model]")).to_be_visible()
    assert shown(page) == reported(
        attestation, known=known, model=directory, model_signature=signature
    )
    assert "Not ok: model's signature, model's files." in verdict(page)
    hashed = page.evaluate(
        "(chosen) => hokusaiVerify.hashFiles(chosen.files)",
        page.locator("[data-part=model]").element_handle(),
    )
    assert sorted((one["path"], one["size"], one["sha256"]) for one in hashed) == [
        tuple(one) for one in hash_directory(directory)
    ]


def test_an_open_page_checks_without_a_network(
    visitor: Visitor, attestation: dict[str, Any], known: dict[str, Any]
) -> None:
    page = visitor.page("/verify")
    visitor.context.set_offline(True)
    choose(page, attestation)
    expect(page.get_by_role("status")).to_contain_text("This attestation holds")
    assert shown(page) == reported(attestation, known=known)
    page.get_by_role("button", name="Send it to the gateway, to check it too").click()
    expect(page.get_by_role("alert")).to_contain_text("The gateway did not check it: it cannot be")
    page.get_by_text("The log, to see whether it was revoked").click()
    page.get_by_role("button", name="Read the log of this gateway").click()
    expect(page.get_by_role("alert")).to_contain_text("The log cannot be read")
    assert verdict(page).startswith("This attestation holds")


def test_the_saved_page_checks_from_a_disk_and_cannot_send(
    browser: Browser,
    visitor: Visitor,
    attestation: dict[str, Any],
    known: dict[str, Any],
    tmp_path: Path,
) -> None:
    with visitor.page("/verify").expect_download() as waiting:
        visitor.context.pages[0].get_by_role("link", name="Save this page").click()
    assert waiting.value.suggested_filename == "hokusai-verify.html"
    saved = tmp_path / "hokusai-verify.html"
    waiting.value.save_as(saved)
    with browser.visitor("file://", offline=True) as reader:
        page = reader.page()
        page.goto(saved.as_uri())
        choose(page, attestation)
        expect(page.get_by_role("status")).to_contain_text("This attestation holds")
        assert shown(page) == reported(attestation, known=known)
        assert page.get_by_role("button", name="Send it to the gateway").count() == 0
        page.get_by_text("Witnesses that must have cosigned the log").click()
        require_witnesses(page, WitnessSigner("w.example", b"7" * 32).key)
        expect(page.locator("[data-check=witnesses] .result")).to_have_text("not ok")
        require_witnesses(page, "")
        changed = {**attestation, "kind": "claimed"}
        choose(page, changed)
        expect(page.locator("[data-check=hash] .result")).to_have_text("not ok")
        reader.expect("Content Security Policy")
        tried = page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')")
        assert tried == "refused"
        blocked = page.evaluate(
            """() => new Promise((resolve) => {
                const event = "securitypolicyviolation";
                document.addEventListener(event, (found) => resolve(found.effectiveDirective));
                fetch("http://127.0.0.1:9/").catch(() => {});
            })"""
        )
        assert blocked == "connect-src"


def test_a_page_saved_by_the_browser_still_checks(
    browser: Browser,
    client: httpx.Client,
    gateway: RunningGateway,
    attestation: dict[str, Any],
    tmp_path: Path,
) -> None:
    """As "Save page as" writes it: files beside the page, and no headers."""
    html = client.get("/verify").text
    for name in ("style.css", "hokusai-verify.js", "verify.js"):
        path = next(part for part in html.split('"') if part.endswith(f"/{name}"))
        (tmp_path / name).write_bytes(client.get(path).content)
        html = html.replace(path, name)
    (tmp_path / "page.html").write_text(html)
    with browser.visitor("file://", offline=True) as reader:
        # A module, which browsers do not load from a disk: the buttons that copy.
        reader.expect("page.js")
        page = reader.page()
        page.goto((tmp_path / "page.html").as_uri())
        choose(page, attestation)
        expect(page.get_by_role("status")).to_contain_text("This attestation holds")


def test_a_link_carries_the_document(visitor: Visitor, attestation: dict[str, Any]) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.page("/verify")
    choose(page, attestation)
    page.get_by_role("button", name="Copy a link that contains it").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    other = visitor.page("/verify")
    other.goto(link)
    expect(other.get_by_role("status")).to_contain_text("This attestation holds")


def test_it_looks_well_in_both_themes_and_on_a_phone(
    visitor: Visitor, attestation: dict[str, Any]
) -> None:
    page = visitor.page("/verify")
    choose(page, attestation)
    for part in ("The log, to see", "Witnesses that must have", "The model's files", "A bundle of"):
        page.get_by_text(part).first.click()
    require_witnesses(page, WitnessSigner("w.example", b"7" * 32).key, "1")
    page.get_by_role("button", name="Send it to the gateway, to check it too").click()
    expect(page.locator("td[data-where='By the gateway']").first).to_be_visible()
    assert problems_with_looks(page, "verify") == []


def test_the_page_says_what_to_do_without_scripts(
    gateway: RunningGateway, browser: Browser
) -> None:
    with browser.visitor(gateway.url, java_script_enabled=False) as visitor:
        page = visitor.page("/verify")
        assert "hokusai verify attestation.json" in page.locator("noscript").first.inner_text()
        assert page.get_by_role("button", name="Check", exact=True).is_hidden()


def test_the_pages_need_no_credential_and_the_file_is_whole(gateway: RunningGateway) -> None:
    with gateway.client() as client:
        page, saved = client.get("/verify"), client.get("/verify/hokusai-verify.html")
    assert (page.status_code, saved.status_code) == (200, 200)
    assert saved.headers["content-disposition"] == 'attachment; filename="hokusai-verify.html"'
    assert 'src="' not in saved.text
    assert 'href="' not in saved.text
    # A script that contained its own end would be cut off there.
    assert saved.text.count("</script>") == saved.text.count("<script") == 3
