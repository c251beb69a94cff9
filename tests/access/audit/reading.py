"""Reads the audit log over HTTP."""

import secrets
from typing import Any

import httpx

from tests.support.responses import good

AUDIT = "/api/admin/audit"


def unused() -> str:
    return f"t-{secrets.token_hex(6)}"


def events(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """The entries that match, oldest first."""
    page = good(client.get(AUDIT, params={"limit": 1000, **query}))
    assert page["next"] is None
    return list(reversed(page["items"]))


def changes(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["action"], event["subject"]) for event in found]
