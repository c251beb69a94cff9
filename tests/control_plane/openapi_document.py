"""The OpenAPI document of the gateway's own endpoints, and the operations in it."""

from typing import Any

from app.control_plane.application import create_api
from app.control_plane.reference.openapi import operations

# Made without its lifespan: it is described, and never serves.
DOCUMENT: dict[str, Any] = create_api(lambda _: None).openapi()  # type: ignore[arg-type, return-value]
OPERATIONS = [(method, path) for method, path, _ in operations(DOCUMENT)]
