"""The HTTP reference as Markdown, made from the OpenAPI document of the gateway's own endpoints."""

import inspect
import json
import re
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, nullcontext

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

# The one place where the site's tools import the gateway.
from app.control_plane.application import create_api
from app.control_plane.reference.curl import curl_command
from app.control_plane.reference.openapi import Document, operations, resolve
from app.core.request.principal import Scope
from docs.tools.markdown import escaped, fenced, indented, table

ERRORS = "../../errors.md"
SCOPES = "../../authentication.md#scopes"

Operation = tuple[str, str, Document]


def pages() -> dict[str, str]:
    """Each page's text by its name: `index.md`, and one page for each tag."""
    api = create_api(_no_lifespan)
    document = api.openapi()
    scopes = required_scopes(api)
    tags: dict[str, list[Operation]] = {}
    for operation in operations(document):
        tags.setdefault(operation[2]["tags"][0], []).append(operation)
    made = {"index.md": _index(document, tags, scopes)}
    for tag, entries in tags.items():
        sections = [_section(document, entry, scopes) for entry in entries]
        made[f"{tag}.md"] = "\n".join([f"# {tag.capitalize()}\n", *sections])
    return made


def required_scopes(api: FastAPI) -> dict[tuple[str, str], list[Scope]]:
    """The scopes that each method and path asks for, read from the dependencies of its route."""
    return {
        (method, route.path): sorted(set(_scopes(route.dependant)))
        for route in api.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }


def _scopes(dependant: Dependant) -> Iterator[Scope]:
    for dependency in dependant.dependencies:
        call = dependency.call
        if inspect.isfunction(call):
            # A dependency that asks for a scope is a function that closes over it.
            enclosed = inspect.getclosurevars(call).nonlocals.values()
            yield from (value for value in enclosed if isinstance(value, Scope))
        yield from _scopes(dependency)


def _no_lifespan(_: FastAPI) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def _index(
    document: Document,
    tags: dict[str, list[Operation]],
    scopes: dict[tuple[str, str], list[Scope]],
) -> str:
    parts = [
        "# HTTP reference\n",
        "The gateway's own endpoints, made from its OpenAPI document. A running gateway serves "
        "that document at `/openapi.json` and a page of it at `/docs`. MLflow's REST API is below "
        "`/api/mlflow`; `GET /api/mlflow/api/2.0/mlflow/help` lists its open routes.\n",
        "Send an API key or an access token as `Authorization: Bearer <key>`, or see "
        "[authentication](../../authentication.md) for the other ways. Bodies are JSON, with "
        "`Content-Type: application/json`.\n",
    ]
    for tag, entries in tags.items():
        rows = [
            (
                f"[`{method} {path}`]({tag}.md#{anchor(method, path)})",
                _who(operation, scopes.get((method, path), [])).removeprefix(
                    "a credential with the "
                ),
                escaped(_first_sentence(operation.get("description", ""))),
            )
            for method, path, operation in entries
        ]
        parts.append(f"## {tag.capitalize()}\n")
        parts.append(table(("endpoint", "who may", "what"), rows))
    parts.append("## Errors\n")
    parts.append(
        "Every error is `application/problem+json` (RFC 9457). What each reason means, and what to "
        f"do, is on the page about [errors]({ERRORS}).\n"
    )
    described = document["components"]["responses"]
    rows = [
        (f'<span id="status-{status}"></span>`{status}`', *_reasons(response["description"]))
        for status, response in described.items()
    ]
    parts.append(table(("status", "meaning", "reasons"), sorted(rows)))
    return "\n".join(parts)


def _reasons(description: str) -> tuple[str, str]:
    meaning, _, reasons = description.partition(". Reasons: ")
    return meaning, reasons.rstrip(".")


def _section(
    document: Document, entry: Operation, scopes: dict[tuple[str, str], list[Scope]]
) -> str:
    method, path, operation = entry
    parts = [
        f"## `{method} {path}` {{ #{anchor(method, path)} }}\n",
        escaped(operation.get("description", "")) + "\n",
        f"**Who may:** {_who(operation, scopes.get((method, path), []))}.\n",
    ]
    parameters = operation.get("parameters", [])
    if parameters:
        parts.append("**Parameters**\n")
        rows = (
            (
                f"`{parameter['name']}`",
                parameter["in"],
                _kind_sent(parameter["schema"], required=parameter["required"]),
                _meaning(parameter["schema"] | parameter),
            )
            for parameter in parameters
        )
        parts.append(table(("name", "in", "type", "meaning"), rows))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        parts.append("**Request body**\n")
        parts.append(_fields(document, body["schema"], sent=True))
    parts.append('??? example "Request"\n')
    parts.append(indented(fenced(curl_command(method, path, operation, body), "bash")))
    errors = []
    for status, response in operation["responses"].items():
        if "$ref" in response:
            errors.append(f"[`{status}`](index.md#status-{status})")
        else:
            parts += _response(document, status, response)
    parts.append(f"**Errors:** {', '.join(errors)}.\n")
    return "\n".join(parts)


def _response(document: Document, status: str, response: Document) -> Iterator[str]:
    contents = response.get("content", {})
    media = contents.get("application/json")
    if media is None:
        other = next(iter(contents), None)
        yield f"**Response `{status}`:** " + (f"`{other}`.\n" if other else "no content.\n")
        return
    yield f"**Response `{status}`**\n"
    yield _fields(document, media["schema"], sent=False)
    if media.get("example"):
        yield '??? example "Response"\n'
        shown = json.dumps(media["example"], indent=2, ensure_ascii=False)
        yield indented(fenced(shown, "json"))


def anchor(method: str, path: str) -> str:
    """The id of an endpoint's heading."""
    return "-".join([method.lower(), *re.findall(r"\w+", path)])


def _who(operation: Document, scopes: list[Scope]) -> str:
    if not operation["security"]:
        return "anybody"
    if not scopes:
        return "any credential"
    named = ", ".join(f"[`{scope}`]({SCOPES})" for scope in scopes)
    return f"a credential with the scope {named}"


def _first_sentence(text: str) -> str:
    first = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", first)[0]


def _fields(document: Document, schema: Document, *, sent: bool) -> str:
    rows = [
        (
            f"`{name}`",
            _kind_sent(one, required=required) if sent else _kind(one),
            _meaning(one),
        )
        for name, one, required in _walk(document, schema, "", ())
    ]
    if not rows:
        return f"{_kind(schema)}.\n"
    return table(("field", "type", "meaning"), rows)


def _walk(
    document: Document, schema: Document, prefix: str, above: tuple[int, ...]
) -> Iterator[tuple[str, Document, bool]]:
    """Each field by its path from the top; what repeats itself is not opened a second time."""
    schema, suffix = _opened(document, schema)
    if id(schema) in above:
        return
    prefix += suffix
    for name, one in schema.get("properties", {}).items():
        path = f"{prefix}.{name}".removeprefix(".")
        yield path, one, name in schema.get("required", [])
        yield from _walk(document, one, path, (*above, id(schema)))


def _opened(document: Document, schema: Document) -> tuple[Document, str]:
    """The object that a value is or holds, and what its fields' paths have in between."""
    suffix = ""
    while True:
        if "$ref" in schema:
            schema = resolve(document, schema)
        elif schema.get("type") == "array":
            schema, suffix = schema["items"], suffix + "[]"
        elif isinstance(schema.get("additionalProperties"), dict):
            schema, suffix = schema["additionalProperties"], suffix + ".*"
        elif "anyOf" in schema and len(kinds := _without_null(schema["anyOf"])) == 1:
            schema = kinds[0]
        else:
            return schema, suffix


def _without_null(kinds: list[Document]) -> list[Document]:
    return [kind for kind in kinds if kind.get("type") != "null"]


def _kind_sent(schema: Document, *, required: bool) -> str:
    """The type of what a client sends. Null stands for leaving a field out, so it is not named."""
    kinds = _without_null(schema.get("anyOf", []))
    return _kind({"anyOf": kinds} if kinds else schema) + (", required" if required else "")


def _kind(schema: Document) -> str:
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[union]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "$ref" in schema:
        return "object"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))


def _meaning(schema: Document) -> str:
    words = [escaped(schema.get("description", ""))]
    if schema.get("default") is not None:
        words.append(f"Default: `{json.dumps(schema['default'])}`.")
    return " ".join(filter(None, words))
