"""Uploaded files in MLflow's page: they are shown, and what is in them does not run."""

import io
import struct
import wave
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.data_plane.proxy.interface.test_pages import (
    HARMLESS,
    go_to,
    new_run,
    opened,
    sign_in,
)
from tests.data_plane.proxy.tenant_fixture_data import FILES
from tests.support.browser import Browser, Visitor, screenshot
from tests.support.gateway import RunningGateway

SCRIPT = "document.title = 'ran in ' + self.origin"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20"/>'
    f"<script>{SCRIPT}</script></svg>"
)
# It tries by each route that a document has to use the session of its reader, or to leave the page.
HTML = f"""<!doctype html><title>file</title><h1>HTML is shown</h1>
<script>{SCRIPT}</script>
<script src="ORIGIN/api/mlflow/get-artifact?run_id=RUN&path=x.js"></script>
<script src="ORIGIN/api/mlflow/api/2.0/mlflow-artifacts/artifacts/ROOT/x.js" type="module"></script>
<img src="x" onerror="{SCRIPT}">
<iframe src="ORIGIN/account"></iframe><object data="ORIGIN/account"></object>
<embed src="ORIGIN/account"><iframe srcdoc="<script>{SCRIPT}</script>"></iframe>
<form action="ORIGIN/logout" method="post" target="_top"><button>Go</button></form>
<a id="out" href="ORIGIN/account" target="_top">Go</a>
<a id="js" href="javascript:{SCRIPT}">Go</a>
"""
VIOLATIONS = r"Content Security Policy|sandbox|MIME type|^40[13] |CORS policy"


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pixels = b"".join(b"\0" + 3 * b"\xff\0\0" for _ in range(2))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(pixels))
        + chunk(b"IEND", b"")
    )


def pdf() -> bytes:
    """A page of 200 by 100 points."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>",
    ]
    made, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj%bendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(made)
    return made + b"xref\n0 4\n0000000000 65535 f \n" + table + end


def wav() -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    return held.getvalue()


@pytest.fixture(scope="module")
def files(gateway: RunningGateway) -> dict[str, Any]:
    """A tenant's key, its run, and where the run's files are."""
    key = gateway.key("artifacts")
    with gateway.client(key) as client:
        run, root = new_run(client)
        html = HTML.replace("ORIGIN", gateway.url).replace("RUN", run).replace("ROOT", root)
        for name, content in {
            "a.png": png(),
            "b.svg": SVG.encode(),
            "c.pdf": pdf(),
            "d.txt": b"plain text is shown",
            "e.wav": wav(),
            "f.html": html.encode(),
            "x.js": SCRIPT.encode(),
        }.items():
            assert client.put(f"{FILES}/{root}/{name}", content=content).status_code == 200
    return {"key": key, "run": run}


@pytest.fixture(scope="module")
def reader(gateway: RunningGateway, browser: Browser, files: dict[str, Any]) -> Iterator[Visitor]:
    """A person of the tenant who has signed in."""
    with browser.visitor(gateway.url) as visitor:
        sign_in(visitor, files["key"])
        visitor.expect(HARMLESS)
        yield visitor


@pytest.fixture(scope="module")
def page(reader: Visitor) -> Page:
    """MLflow's page, in which the tests go from file to file."""
    page = opened(reader, "#/")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    return page


def show(page: Page, files: dict[str, Any], name: str) -> None:
    """Go to one file of the run, from a page that shows none.

    From file to file, MLflow's page would not follow the address.
    """
    go_to(page, "#/settings/general")
    go_to(page, f"#/experiments/0/runs/{files['run']}/artifacts/{name}")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("a.png", "img[src^='blob:']"),
        ("b.svg", "img[src^='blob:']"),
        ("c.pdf", "canvas[width='200']"),
        ("d.txt", "text=plain text is shown"),
        ("e.wav", "audio[src^='blob:']"),
    ],
)
def test_a_file_is_shown(
    reader: Visitor, page: Page, files: dict[str, Any], name: str, place: str
) -> None:
    show(page, files, name)
    page.locator(place).first.wait_for()
    screenshot(page, f"mlflow-artifact-{name}")
    assert reader.problems == []
    picture = page.locator("img[src^='blob:']")
    if picture.count():
        assert picture.first.evaluate("image => image.naturalWidth") > 0
        # Somebody opens the picture in a tab of its own: an address of the gateway's origin.
        with page.expect_popup() as popup:
            page.evaluate("address => window.open(address)", picture.first.get_attribute("src"))
        popup.value.wait_for_load_state()
        assert "ran" not in popup.value.title()
        popup.value.close()
    reader.problems.clear()


def test_what_is_in_a_file_neither_runs_nor_leaves_its_frame(
    gateway: RunningGateway, reader: Visitor, page: Page, files: dict[str, Any]
) -> None:
    reader.expect(VIOLATIONS)
    show(page, files, "f.html")
    frame = page.frame_locator("iframe[src^='blob:']")
    frame.get_by_role("heading", name="HTML is shown").wait_for()
    screenshot(page, "mlflow-artifact-f.html")
    for link in ("#out", "#js"):
        frame.locator(link).click()
    frame.get_by_role("button", name="Go").click()
    page.wait_for_timeout(200)
    assert page.url.startswith(f"{gateway.url}/api/mlflow/#/experiments/")
    assert "ran" not in page.title()
    for one in page.frames:
        assert "ran" not in one.title()
        assert "Your account" not in one.content()
    # The frame's address, opened in a tab of its own.
    address = page.locator("iframe[src^='blob:']").get_attribute("src")
    with page.expect_popup() as popup:
        page.evaluate("address => window.open(address)", address)
    popup.value.wait_for_load_state()
    assert "ran" not in popup.value.title()
    whoami = page.evaluate("async () => (await fetch('/api/auth/whoami')).json()")
    assert whoami["tenant"] == "artifacts"
