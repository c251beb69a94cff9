"""GET /docs: the reference of Hokusai's own endpoints, made from the OpenAPI document.

A page without scripts, and with nothing from elsewhere: a key that is pasted on it goes nowhere.
"""

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from app.control_plane.reference.openapi import Document, operations, resolve
from app.core.html import webpage

MLFLOW = "/api/mlflow/api/2.0/mlflow/help"


# Stands on the page where the gateway's address belongs.
ADDRESS = "@@address@@"


def render(document: Document) -> str:
    """The page, with everything escaped, and ADDRESS where the gateway's address belongs."""
    tags: dict[str, list[tuple[str, str, Document]]] = {}
    for method, path, operation in operations(document):
        tags.setdefault(operation["tags"][0], []).append((method, path, operation))
    contents = "".join(f'<li><a href="#{escape(t)}">{escape(t)}</a></li>' for t in tags)
    sections = "".join(_section(document, tag, entries) for tag, entries in tags.items())
    header = f"""
<p>Hokusai's own endpoints. MLflow's are listed by <code>GET {MLFLOW}</code>. For programs, this
is <a href="/openapi.json">OpenAPI {escape(document["openapi"])}</a>.</p>
<p>Prove who you are with an API key or a wallet's token, as <code>Authorization: Bearer</code>, as
<code>X-API-Key</code> or as the password of Basic; or sign each request with a wallet, in
<code>X-ETH-Address</code>, <code>X-ETH-Message</code> and <code>X-ETH-Signature</code>.</p>
<p>In the examples <code>$GATEWAY</code> is this gateway's address and <code>$KEY</code> your key or
token:</p>
<pre>export GATEWAY={ADDRESS}
export KEY=hk_live_...</pre>
<p>Every failure is <code>application/problem+json</code>: <code>reason</code> is for programs,
<code>message</code> for people, <code>request_id</code> for the operator.</p>
<nav aria-label="Groups of endpoints"><ul>{contents}</ul></nav>
"""
    title = document["info"]["title"]
    return webpage(title, skip="Skip to the endpoints", header=header, main=sections)


def _section(document: Document, tag: str, entries: Iterable[tuple[str, str, Document]]) -> str:
    articles = "".join(_article(document, *entry) for entry in entries)
    name = escape(tag)
    return (
        f'<section id="{name}" aria-labelledby="{name}-name">'
        f'<div><h2 id="{name}-name">{name}</h2></div>{articles}</section>\n'
    )


def _article(document: Document, method: str, path: str, operation: Document) -> str:
    anchor = escape(operation["operationId"])
    parts = [
        f'<article id="{anchor}"><h3><a href="#{anchor}"><code class="method">{method}</code> '
        f"<code>{escape(path)}</code></a></h3>",
        f"<p>{escape(operation.get('description', ''))}"
        + ("" if operation["security"] else ' <span class="open">Needs no key.</span>')
        + "</p>",
        _table("Parameters", map(_parameter, operation.get("parameters", []))),
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        parts.append(_table("Body", _fields(document, body["schema"])))
    parts.append(f"<h4>Example</h4><pre>{escape(_curl(method, path, operation, body))}</pre>")
    failures = []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            failures.append(status)
            continue
        media = answer.get("content", {}).get("application/json")
        parts.append(f"<h4>Answer {status}</h4>")
        if media is None or not media.get("example"):
            parts.append(f"<p>{escape(answer['description'])}</p>")
        else:
            shown = json.dumps(media["example"], indent=2, ensure_ascii=False)
            parts.append(f"<pre>{escape(shown)}</pre>")
    parts.append(f'<p class="failures">Can fail with {", ".join(failures)}.</p></article>\n')
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


def _curl(method: str, path: str, operation: Document, body: Any) -> str:
    words = ["curl"]
    if method != "GET":
        words.append(f"-X {method}")
    if operation["security"]:
        words.append('-H "Authorization: Bearer $KEY"')
    if body is not None:
        words.append(f"--json '{json.dumps(body['example'], ensure_ascii=False)}'")
    words.append(f'"$GATEWAY{path}"')
    return (" " if len(words) == 2 else " \\\n  ").join(words)
