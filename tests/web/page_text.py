"""What a page says."""

import html
import re

import httpx

# The header of a browser that navigates.
PAGE = {"Accept": "text/html"}


def text(client: httpx.Client, path: str, status: int = 200) -> str:
    """A page's HTML; fails unless it has this status."""
    response = client.get(path, headers=PAGE)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert len(response.content) < 100_000
    return response.text


def words(page: str) -> str:
    """What a page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
