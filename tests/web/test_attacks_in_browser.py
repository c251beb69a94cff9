"""What a page on another port of the same host makes Chromium do with the session: nothing.

Cookies know no ports, and both pages are of one site, so that the cookie comes along.
"""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.browser import Browser
from tests.support.gateway import RunningGateway
from tests.support.responses import good

KEYS = "/api/keys"
SESSION = "/api/auth/sessions/current"


class Neighbour(BaseHTTPRequestHandler):
    """An empty page of another server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>neighbour</title>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def neighbour() -> Iterator[str]:
    """The address of another server on the same host."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Neighbour)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def victim(gateway: RunningGateway, browser: Browser, neighbour: str) -> Iterator[Page]:
    """A page of the neighbour, in a browser that has signed in at the gateway."""
    with browser.context(gateway.url) as context:
        response = context.request.post(
            "/api/auth/sign-in",
            data={"key": gateway.key("victim")},
            headers={"Origin": gateway.url},
        )
        assert response.status == 201
        page = context.new_page()
        page.goto(neighbour)
        yield page


def sees(page: Page, path: str) -> Any:
    """What the browser sees in a page of the gateway: it is still signed in."""
    other = page.context.new_page()
    other.goto("/account")
    seen = other.evaluate("async path => (await fetch(path)).json()", path)
    other.close()
    return seen


REQUESTS = """
async gateway => {
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
  const ways = {
    read: [`/api/auth/whoami`, { credentials: 'include' }],
    silent: [`/api/auth/whoami`, { credentials: 'include', mode: 'no-cors' }],
    make: ['/api/keys', { method: 'POST', credentials: 'include', mode: 'no-cors',
                          body: '{"name": "made elsewhere"}' }],
    json: ['/api/keys', { method: 'POST', credentials: 'include', body: '{"name": "n"}',
                          headers: { 'Content-Type': 'application/json' } }],
    page: ['/account/keys', { method: 'POST', credentials: 'include', mode: 'no-cors',
                              headers: form, body: 'name=made+elsewhere' }],
    run: ['/api/mlflow/api/2.0/mlflow/runs/create', { method: 'POST', credentials: 'include',
          mode: 'no-cors', body: '{"experiment_id": "0"}' }],
    end: ['/api/auth/sessions/current', { method: 'DELETE', credentials: 'include' }],
    out: ['/logout', { method: 'POST', credentials: 'include', mode: 'no-cors', headers: form }],
  }
  const found = {}
  for (const [name, [path, options]] of Object.entries(ways)) {
    const text = await fetch(gateway + path, options).then(one => one.text(), () => '')
    if (text) found[name] = text
  }
  const load = (tag, name, path) => new Promise(resolve => {
    const element = document.createElement(tag)
    element.onload = () => resolve(`${tag} loaded`)
    element.onerror = () => resolve('')
    element[name] = gateway + path
    document.body.append(element)
  })
  for (const [tag, name, path] of [
    ['img', 'src', '/api/auth/whoami'],
    ['script', 'src', '/api/auth/whoami'],
    ['script', 'src', '/account'],
  ]) {
    const outcome = await load(tag, name, path)
    if (outcome) found[`${tag} ${path}`] = outcome
  }
  return found
}
"""


def test_scripts_and_pictures_of_another_port_neither_read_nor_change(
    gateway: RunningGateway, victim: Page
) -> None:
    statuses: list[int] = []
    victim.on("response", lambda response: statuses.append(response.status))
    assert victim.evaluate(REQUESTS, gateway.url) == {}
    assert statuses
    assert set(statuses) <= {204, 403}  # 204: to an OPTIONS that allows nothing
    assert [key["name"] for key in sees(victim, KEYS)["items"]] == ["test"]
    assert sees(victim, "/api/auth/whoami")["tenant"] == "victim"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/logout", {}),
        ("/account/keys", {"name": "made elsewhere"}),
        ("/login", {"key": "KEY"}),
        ("/account/sessions/end-others", {}),
    ],
)
def test_a_form_of_another_port_does_nothing(
    gateway: RunningGateway, victim: Page, path: str, fields: dict[str, str]
) -> None:
    """Not even sign the victim in as the attacker, with the attacker's own key."""
    fields = {name: value.replace("KEY", gateway.key("attacker")) for name, value in fields.items()}
    with victim.expect_navigation() as sent:
        victim.evaluate(
            """([action, fields]) => {
              const form = document.createElement('form')
              Object.assign(form, { method: 'post', action })
              for (const [name, value] of Object.entries(fields)) {
                const input = document.createElement('input')
                Object.assign(input, { name, value })
                form.append(input)
              }
              document.body.append(form)
              form.submit()
            }""",
            [gateway.url + path, fields],
        )
    assert sent.value is not None
    assert sent.value.status == 403
    assert [key["name"] for key in sees(victim, KEYS)["items"]] == ["test"]
    assert sees(victim, "/api/auth/whoami")["tenant"] == "victim"


def test_a_page_can_be_neither_framed_nor_watched(gateway: RunningGateway, victim: Page) -> None:
    seen = victim.evaluate(
        """async address => {
          const frame = document.createElement('iframe')
          frame.src = address
          document.body.append(frame)
          await new Promise(resolve => { frame.onload = resolve })
          const found = []
          try { found.push(frame.contentDocument.title) } catch (error) { found.push(error.name) }
          const opened = window.open(address)
          // A page with Cross-Origin-Opener-Policy leaves its opener, to whom it seems closed.
          for (let waits = 0; waits < 1200 && !opened.closed; waits++) {
            await new Promise(resolve => setTimeout(resolve, 50))
          }
          found.push(opened.closed)
          return found
        }""",
        f"{gateway.url}/account",
    )
    assert "victim" not in victim.frames[1].content()
    assert seen[1] is True


def test_a_planted_cookie_signs_nobody_in_as_the_attacker(
    gateway: RunningGateway, victim: Page
) -> None:
    """Cookie tossing: the attacker's own session, at a path that comes first."""
    with gateway.client(gateway.key("attacker")) as client:
        signed_in = client.post(
            "/api/auth/sign-in",
            json={"key": client.headers["authorization"].removeprefix("Bearer ")},
            headers={"Origin": gateway.url},
        )
        good(signed_in, 201)
        (name, secret), *_ = signed_in.cookies.items()
    context = victim.context
    context.add_cookies(
        [{"name": name, "value": secret, "domain": "127.0.0.1", "path": "/account"}]
    )
    page = context.new_page()
    page.goto("/account")
    assert page.url.startswith(f"{gateway.url}/login")
    assert "attacker" not in page.content()
    page.goto("/login")
    assert "victim" in page.content()
