"""Checks of responses that most tests need."""

from typing import Any

import httpx


def refused(response: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """The problem document of a response; fails unless it has this status and reason."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem.get("reason")) == (status, reason), response.text
    assert response.headers["content-type"] == "application/problem+json"
    return problem


def good(response: httpx.Response, status: int = 200) -> Any:
    """The JSON body of a response, None without a body; fails unless it has this status."""
    assert response.status_code == status, response.text
    return response.json() if response.content else None
