"""The JSON Schema of an endpoint's requests, which says what is valid in an error message."""

import asyncio
from copy import copy
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.core.json_schema import Schema, inlined


class RequestSchemas:
    """The schemas of routes, each made when it is first needed, and then cached."""

    def __init__(self) -> None:
        self._made: dict[str, Schema] = {}

    async def of(self, route: APIRoute) -> Schema:
        """An object with `body`, `query`, `path` and `header`, where the places of errors begin."""
        schema = self._made.get(route.unique_id)
        if schema is None:
            # In a thread, because it takes tens of milliseconds.
            schema = self._made[route.unique_id] = await asyncio.to_thread(_schema, route)
        return schema


def _schema(route: APIRoute) -> Schema:
    # Pages are not described in the API's document, and their errors need the schema all the same.
    described = copy(route)
    described.include_in_schema = True
    document = get_openapi(title=route.path, version="", routes=[described])
    operations: dict[str, Any] = document["paths"][route.path_format]
    operation = next(iter(operations.values()))
    parts: dict[str, Schema] = {}
    for parameter in operation.get("parameters", ()):
        part = parts.setdefault(parameter["in"], {"type": "object", "properties": {}})
        part["properties"][parameter["name"]] = parameter["schema"]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        parts["body"] = media["schema"]
    return inlined({"type": "object", "properties": parts}, document)
