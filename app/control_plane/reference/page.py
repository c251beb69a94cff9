"""GET /docs: the reference of Hokusai's own endpoints, rendered from the OpenAPI document.

The page has no scripts and loads nothing from other hosts, so a key that a reader pastes into it
stays in the browser.
"""

import json
from collections.abc import Iterable
from html import escape

from app.control_plane.reference.curl import curl_command
from app.control_plane.reference.openapi import Document, operations, resolve
from app.core.html import render_page, render_section

MLFLOW = "/api/mlflow/api/2.0/mlflow/help"

# A placeholder: the same page is served under every address that the gateway has.
ADDRESS = "@@address@@"


def render(document: Document) -> str:
    """The page as HTML, with `ADDRESS` in place of the gateway's address."""
    tags: dict[str, list[tuple[str, str, Document]]] = {}
    for method, path, operation in operations(document):
        tags.setdefault(operation["tags"][0], []).append((method, path, operation))
    contents = "".join(f'<li><a href="#{escape(t)}">{escape(t)}</a></li>' for t in tags)
    sections = "".join(_section(document, tag, entries) for tag, entries in tags.items())
    header = f"""
<p>Hokusai's own endpoints. <code>GET {MLFLOW}</code> lists those of MLflow. For programs, the same
is available as <a href="/openapi.json">OpenAPI {escape(document["openapi"])}</a>.</p>
<p>Authenticate with an API key or an access token, sent as <code>Authorization: Bearer</code>, as
<code>X-API-Key</code> or as the password of Basic authentication; or sign each request with a
wallet, in <code>X-ETH-Address</code>, <code>X-ETH-Message</code> and
<code>X-ETH-Signature</code>.</p>
<p>In the examples, <code>$HOKUSAI_URL</code> is this gateway's address and
<code>$HOKUSAI_API_KEY</code> your API key or access token:</p>
<pre>export HOKUSAI_URL={ADDRESS}
export HOKUSAI_API_KEY=hk_live_...</pre>
<p>Every error is <code>application/problem+json</code>: <code>reason</code> is for programs,
<code>message</code> for people, and <code>request_id</code> is what the operator needs to find the
request in the log.</p>
<nav aria-label="Groups of endpoints"><ul>{contents}</ul></nav>
"""
    title = document["info"]["title"]
    return render_page(title, skip_link="Skip to the endpoints", header=header, main=sections)


def _section(document: Document, tag: str, entries: Iterable[tuple[str, str, Document]]) -> str:
    return render_section(tag, tag, "".join(_article(document, *entry) for entry in entries))


def _article(document: Document, method: str, path: str, operation: Document) -> str:
    anchor = escape(operation["operationId"])
    parts = [
        f'<article id="{anchor}"><h3><a href="#{anchor}"><code class="method">{method}</code> '
        f"<code>{escape(path)}</code></a></h3>",
        f"<p>{escape(operation.get('description', ''))}"
        + ("" if operation["security"] else ' <span class="open">Needs no credential.</span>')
        + "</p>",
        _table("Parameters", map(_parameter, operation.get("parameters", []))),
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        parts.append(_table("Body", _fields(document, body["schema"])))
    parts.append(
        f"<h4>Example</h4><pre>{escape(curl_command(method, path, operation, body))}</pre>"
    )
    failures = []
    for status, response in operation["responses"].items():
        if "$ref" in response:
            failures.append(status)
            continue
        media = response.get("content", {}).get("application/json")
        parts.append(f"<h4>Response {status}</h4>")
        if media is None or not media.get("example"):
            parts.append(f"<p>{escape(response['description'])}</p>")
        else:
            shown = json.dumps(media["example"], indent=2, ensure_ascii=False)
            parts.append(f"<pre>{escape(shown)}</pre>")
    parts.append(f'<p class="failures">Errors: {", ".join(failures)}.</p></article>\n')
    return "".join(parts)


def _parameter(parameter: Document) -> tuple[str, str, str]:
    schema = parameter["schema"]
    where = "query" if parameter["in"] == "query" else "path"
    words = parameter.get("description") or schema.get("description") or ""
    return parameter["name"], f"{_kind(schema)}, in the {where}", words


def _fields(document: Document, schema: Document) -> Iterable[tuple[str, str, str]]:
    # An optional body is a union with null.
    schema = resolve(document, schema.get("anyOf", [schema])[0])
    required = schema.get("required", [])
    for name, one in schema.get("properties", {}).items():
        words = one.get("description", "")
        if "default" in one and one["default"] is not None:
            words += f" Default: {json.dumps(one['default'])}."
        kind = _kind(one) + (", required" if name in required else "")
        yield name, kind, words.strip()


def _kind(schema: Document) -> str:
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_kind(one) for one in schema[union])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].lower()
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    lines = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td>"
        f"<td>{escape(words)}</td></tr>"
        for name, kind, words in rows
    )
    return f"<h4>{title}</h4><table><tbody>{lines}</tbody></table>" if lines else ""
