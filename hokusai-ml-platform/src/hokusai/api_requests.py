"""How the calls of Hokusai's own API are sent: single requests, and lists page by page."""

from __future__ import annotations

import itertools
from typing import Any, Iterator, Mapping
from urllib.parse import quote

from hokusai.client import GatewayClient, derived_key
from hokusai.errors import InputError

# The most items that are fetched with one request.
PAGE_SIZE = 100


class APIRequests:
    """Sends requests to Hokusai's own API.

    Attributes:
        client: The client that sends the requests.
    """

    def __init__(self, client: GatewayClient) -> None:
        """Use a client; nothing is sent yet."""
        self.client = client

    def items(
        self, path: str, query: Mapping[str, Any], limit: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Iterate over the items of a list, fetching one page after the other.

        Args:
            path: The path after `/api`.
            query: The query of every page.
            limit: The most items to yield; all by default.

        Raises:
            InputError: The limit is negative.
        """
        if limit is not None and limit < 0:
            raise InputError(f"limit is {limit}, and must not be negative.")
        if limit is not None:
            # So that the gateway reads no more than what is yielded.
            query = {**query, "limit": min(limit, PAGE_SIZE)}
        return itertools.islice(self._pages(path, query), limit)

    def _pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        cursor = None
        while True:
            page = self._get(path, {**query, "cursor": cursor} if cursor else query)
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self.client.request("GET", path, params=query)

    def _post(
        self,
        path: str,
        body: Mapping[str, Any],
        idempotency_key: str | None,
        retry_seconds: float | None = None,
    ) -> Any:
        payload = {name: value for name, value in body.items() if value is not None}
        return self.client.request(
            "POST",
            path,
            json=payload,
            idempotency_key=idempotency_key or derived_key(path, payload),
            retry_seconds=retry_seconds,
        )


def segment(text: str) -> str:
    """Return an id as one segment of a path.

    Raises:
        InputError: There is no id.
    """
    # Quoted, so that an id with a slash in it cannot address another route.
    if not text or text in (".", ".."):
        raise InputError("An id is missing.")
    return quote(text, safe="")


__all__ = ["PAGE_SIZE", "APIRequests", "segment"]
