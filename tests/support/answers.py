"""What tests say about answers again and again."""

from typing import Any

import httpx


def refused(answer: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """The problem document of an answer that has to be this refusal."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem.get("reason")) == (status, reason), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return problem


def good(answer: httpx.Response, status: int = 200) -> Any:
    """The document of an answer that has to be good."""
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None
