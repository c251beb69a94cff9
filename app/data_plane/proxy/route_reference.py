"""GET /api/mlflow/api/2.0/mlflow/help: the reference of the routes below /api/mlflow.

It is made from the route manifest, so it lists exactly the routes that are forwarded. Browsers get
HTML, other clients JSON.
"""

import json
import re
from html import escape
from typing import Any

from starlette.types import Receive, Scope, Send

from app.core.html import PAGE_HEADERS, render_page, render_section
from app.data_plane.proxy.manifest import Manifest, Route
from app.data_plane.proxy.search_policy import MAX_CONDITIONS, MAX_KEYS

BASE = "/api/mlflow"
MLFLOW_REFERENCE = "https://mlflow.org/docs/latest/rest-api.html"
AUTHENTICATION = (
    "Authorization: Bearer <key or token>",
    "Authorization: ApiKey <key>",
    "X-API-Key: <key>",
    "Authorization: Basic, with the key as the password",
    "X-ETH-Address, X-ETH-Message and X-ETH-Signature",
)
RATE_LIMIT = (
    "100 requests a minute unless your key has a limit of its own. Every response has the headers"
    " RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset; a 429 has Retry-After with the"
    " seconds to wait, which MLflow's client obeys. GET /api/limits shows what is left."
)
MIRRORS = (
    "MLflow's web interface, at /api/mlflow/, calls the routes below /api/ at the same paths below"
    " /ajax-api/, with the same scopes."
)
EXAMPLE = """export MLFLOW_TRACKING_URI=https://<this server>/api/mlflow
export MLFLOW_TRACKING_TOKEN=<your key>
curl -H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" \\
  "$MLFLOW_TRACKING_URI/api/2.0/mlflow/experiments/get?experiment_id=0" """.rstrip()


class RouteReference:
    """ASGI application of the route. Both documents are made once."""

    def __init__(self, manifest: Manifest) -> None:
        document = reference(manifest)
        self.json = json.dumps(document, indent=2).encode()
        self.html = render_html(document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a GET or HEAD request with 200."""
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        body, media_type = self.html, b"text/html; charset=utf-8"
        if not prefers_html(accept.decode("latin-1")):
            body, media_type = self.json, b"application/json"
        headers = [
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode()),
            (b"vary", b"accept"),
            (b"cache-control", b"private, max-age=300"),
            *((name.encode(), value.encode()) for name, value in PAGE_HEADERS.items()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        content = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": content})


def prefers_html(accept: str) -> bool:
    """Whether an Accept header (RFC 9110, section 12.5.1) prefers HTML to JSON.

    Wildcards are ignored, so that a plain HTTP client gets JSON.
    """
    weights = {"text/html": 0.0, "application/json": 0.0}
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_type in weights:
            quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
            valid = re.fullmatch(r"[01](\.\d{0,3})?", quality)
            weights[media_type] = float(quality) if valid else 0.0
    return weights["text/html"] > weights["application/json"]


def is_listed(route: Route) -> bool:
    """Whether the reference has a line for a route: not for one that is refused or a mirror, or
    where the gateway responds to MLflow's web interface in MLflow's place."""
    is_own = route.gateway and route.pattern.startswith("/ajax-api/")
    return route.scope is not None and not route.mirror and not is_own


def reference(manifest: Manifest) -> dict[str, Any]:
    """All open routes by family, as a JSON document: method, path, scope, link and notes of each.

    A sentence describes the mirrors. `link` is the path on the gateway, with `{…}`
    for parameters.
    """
    families: dict[str, list[dict[str, Any]]] = {}
    for route in manifest.routes:
        if is_listed(route):
            assert route.scope is not None
            families.setdefault(route.family, []).append(
                {
                    "method": route.method,
                    "path": route.pattern.replace(":path}", "}"),
                    "scope": route.scope.value,
                    "link": BASE + route.pattern.replace(":path}", "}"),
                    "notes": _notes(route),
                }
            )
    return {
        "title": "MLflow API of the Hokusai registry",
        "base": BASE,
        "authentication": list(AUTHENTICATION),
        "rate_limit": RATE_LIMIT,
        "mirrors": MIRRORS,
        "mlflow_reference": MLFLOW_REFERENCE,
        "families": [{"name": name, "routes": routes} for name, routes in families.items()],
    }


def render_html(document: dict[str, Any]) -> bytes:
    """A page from the result of `reference`: no scripts, nothing external, all text escaped."""
    families = document["families"]
    contents = "".join(
        f'<li><a href="#{_anchor(family["name"])}">{escape(family["name"])}</a></li>'
        for family in families
    )
    ways = "".join(f"<li><code>{escape(way)}</code></li>" for way in document["authentication"])
    total = sum(len(family["routes"]) for family in families)
    base = escape(document["base"])
    example = escape(EXAMPLE)
    header = f"""
<p>The {total} routes that an MLflow client uses, below <code>{base}</code>. Their parameters and
responses are in <a href="{escape(document["mlflow_reference"])}">MLflow's own reference</a>; other
routes of MLflow are not forwarded.</p>
<pre tabindex="0" aria-label="Example">{example}</pre>
<p>Authenticate in one of these ways. The scope that a route needs is listed beside it.</p>
<ul class="points">{ways}</ul>
<p>{escape(document["rate_limit"])}</p>
<p>{escape(document["mirrors"])}</p>
<nav aria-label="Families of routes"><ul>{contents}</ul></nav>
"""
    main = f"""
{"".join(map(_section, families))}
<footer>Request this page with <code>Accept: application/json</code> to get it as JSON.</footer>
"""
    title = document["title"]
    return render_page(title, skip_link="Skip to the routes", header=header, main=main).encode()


def _section(family: dict[str, Any]) -> str:
    name, routes = family["name"], family["routes"]
    count = f"{len(routes)} route{'s' if len(routes) > 1 else ''}"
    table = f"""<table>
<thead><tr><th scope="col">Method</th><th scope="col">Path</th>
<th scope="col">Scope</th></tr></thead>
<tbody>{"".join(map(_row, routes))}</tbody>
</table>"""
    return render_section(_anchor(name), name, table, note=count)


def _row(route: dict[str, Any]) -> str:
    method, path, scope = (escape(route[key]) for key in ("method", "path", "scope"))
    anchor = _anchor(f"{method} {path}")
    # Only a GET without parameters can be opened in a browser; other rows link to themselves.
    opens = route["method"] == "GET" and "{" not in route["path"]
    link = f'href="{escape(route["link"])}"' if opens else f'class="self" href="#{anchor}"'
    notes = "".join(f'<span class="note">{escape(note)}</span>' for note in route["notes"])
    return (
        f'<tr id="{anchor}"><td><code class="method">{method}</code></td>'
        f"<td><a {link}><code>{path}</code></a>{notes}</td>"
        f'<td><span class="{scope}">{scope}</span></td></tr>\n'
    )


def _notes(route: Route) -> list[str]:
    notes = []
    if route.experiments or route.experiment_queries or route.experiment_header:
        notes.append('Experiment "0" is your own experiment Default.')
    if route.filters:
        keys = f" and {MAX_KEYS} keys of its order" if route.orders else ""
        notes.append(f"At most {MAX_CONDITIONS} conditions of filters{keys}.")
    if route.source:
        notes.append("The source must be a run, a model or an artifact of your own.")
    if route.artifact:
        notes.append("The body is the file; it is streamed.")
    notes.extend(f"{field} must be empty." for field in route.forbidden)
    if route.file:
        notes.append("The body is the file, of at most 10 MB; the query has its name.")
    if route.graphql:
        notes.append("Only the queries of the web interface.")
    if route.pattern.endswith("/help"):
        notes.append("This page.")
    elif route.gateway:
        notes.append("The gateway itself responds.")
    return notes


def _anchor(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")
