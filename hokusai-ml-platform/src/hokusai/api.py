"""Hokusai's own API, call by call, without MLflow: what the registry and the command stand on."""

from __future__ import annotations

import warnings
from typing import Any, Iterator, Mapping
from urllib.parse import quote

from hokusai.client import GatewayClient, derived_key
from hokusai.errors import InputError, RegistrationWarning
from hokusai.results import (
    Attestation,
    Identity,
    Lineage,
    MintRequest,
    RateLimit,
    RegisteredModel,
    Result,
)

KINDS = ("baseline", "improved", "tokenized")


class GatewayAPI:
    """Typed calls. Each raises as `GatewayClient.request` does.

    Without an idempotency key of the caller's own, a POST has one that is made from its body: the
    same call in another process gets the first one's answer.
    """

    def __init__(self, client: GatewayClient) -> None:
        self.client = client

    def register(
        self, kind: str, body: Mapping[str, Any], idempotency_key: str | None = None
    ) -> RegisteredModel:
        """`POST /api/models/{kind}`: kind is `baseline`, `improved` or `tokenized`.

        Members of the body that are None are left out. What the gateway warns of is warned of here.
        """
        if kind not in KINDS:
            raise InputError(f"A model is registered as one of {', '.join(KINDS)}, not as {kind}.")
        found = RegisteredModel(self._post(f"/models/{kind}", body, idempotency_key))
        for warning in found.get("warnings") or ():
            warnings.warn(str(warning.get("message")), RegistrationWarning, stacklevel=4)
        return found

    def model(self, model_id: str) -> RegisteredModel:
        """`GET /api/models/{model_id}`."""
        return RegisteredModel(self._get(f"/models/{_segment(model_id)}"))

    def models(self, **filters: Any) -> Iterator[RegisteredModel]:
        """`GET /api/models`, newest first, page after page as it is read.

        filters: kind, type, tenant, contributor, token, name; limit is the size of a page.
        """
        return (RegisteredModel(item) for item in self.pages("/models", filters))

    def lineage(self, model_id: str) -> Lineage:
        """`GET /api/models/{model_id}/lineage`."""
        return Lineage(self._get(f"/models/{_segment(model_id)}/lineage"))

    def contributor(self, address: str) -> Result:
        """`GET /api/contributors/{address}`: what somebody's data did."""
        return Result(self._get(f"/contributors/{_segment(address)}"))

    def attest(
        self,
        body: Mapping[str, Any],
        idempotency_key: str | None = None,
        *,
        retry_seconds: float | None = None,
    ) -> Attestation:
        """`POST /api/attestations`. Members of the body that are None are left out.

        retry_seconds: for how long it is repeated after faults, in place of the client's own time.
        """
        return Attestation(self._post("/attestations", body, idempotency_key, retry_seconds))

    def attestation(self, digest: str) -> Attestation:
        """`GET /api/attestations/{hash}`, with a proof for the log as it is now."""
        return Attestation(self._get(f"/attestations/{_segment(digest)}"))

    def mint_request(self, digest: str, **parameters: Any) -> MintRequest:
        """`GET /api/attestations/{hash}/mint-request`."""
        return MintRequest(self._get(f"/attestations/{_segment(digest)}/mint-request", parameters))

    def limits(self) -> RateLimit:
        """`GET /api/limits`."""
        return RateLimit(self._get("/limits"))

    def whoami(self) -> Identity:
        """`GET /api/auth/whoami`."""
        return Identity(self._get("/auth/whoami"))

    def pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The items of a list, which is asked for a page at a time."""
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
        given = {name: value for name, value in body.items() if value is not None}
        key = idempotency_key or derived_key(path, given)
        return self.client.request(
            "POST", path, json=given, idempotency_key=key, retry_seconds=retry_seconds
        )


def _segment(text: str) -> str:
    # An id never holds a slash; one that does must not lead to another route.
    if not text or text in (".", ".."):
        raise InputError("An id is missing.")
    return quote(text, safe="")


__all__ = ["GatewayAPI"]
