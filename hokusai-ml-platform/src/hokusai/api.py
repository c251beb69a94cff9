"""Hokusai's own API, one method per endpoint; it needs no MLflow."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Iterator, Mapping

from hokusai.api_requests import segment
from hokusai.benchmark_api import BenchmarkAPI
from hokusai.errors import InputError, PermissionDeniedError, RegistrationWarning
from hokusai.results import (
    Attestation,
    Identity,
    Key,
    Lineage,
    MintApproval,
    MintRequest,
    ModelFiles,
    RateLimit,
    RegisteredModel,
    Result,
)

KINDS = ("baseline", "improved", "tokenized")
# The most files of a model that are listed with one request.
FILES_PAGE = 1000


class GatewayAPI(BenchmarkAPI):
    """Typed calls of Hokusai's own API.

    Every method raises what `GatewayClient.request` raises.

    A POST without an idempotency key of the caller gets one derived from its body, so that the
    same call, also in another process, is done once and returns the first response again.

    Attributes:
        client: The client that sends the requests.
    """

    def register(
        self, kind: str, body: Mapping[str, Any], idempotency_key: str | None = None
    ) -> RegisteredModel:
        """Register a model: `POST /api/models/{kind}`.

        The warnings of the response are raised as RegistrationWarning.

        Args:
            kind: `baseline`, `improved` or `tokenized`.
            body: The members of the request; those that are None are left out.
            idempotency_key: Identifies this registration when it is sent again.

        Raises:
            InputError: The kind is none of these.
        """
        if kind not in KINDS:
            raise InputError(f"The kind of a model is one of {', '.join(KINDS)}, not {kind}.")
        model = RegisteredModel(self._post(f"/models/{kind}", body, idempotency_key))
        for warning in model.get("warnings") or ():
            warnings.warn(str(warning.get("message")), RegistrationWarning, stacklevel=4)
        return model

    def model(self, model_id: str) -> RegisteredModel:
        """Fetch one model: `GET /api/models/{model_id}`."""
        return RegisteredModel(self._get(f"/models/{segment(model_id)}"))

    def models(self, *, limit: int | None = None, **filters: Any) -> Iterator[RegisteredModel]:
        """Iterate over models, newest first: `GET /api/models`.

        Each page is fetched when the iteration reaches it. The models lack `metadata`,
        `metric_sources`, `tags`, `warnings`, `attestations`, and the `details` of contributors,
        which `model()` returns.

        Args:
            limit: The most models to yield; all by default.
            **filters: `kind`, `type`, `tenant`, `contributor`, `token`, `name` and `run_id` select
                models.

        Raises:
            InputError: The limit is negative.
        """
        return (RegisteredModel(item) for item in self.items("/models", filters, limit))

    def model_files(self, model_id: str) -> ModelFiles:
        """Fetch what is known of a model's files, and all of their list:
        `GET /api/models/{model_id}/files`."""
        path = f"/models/{segment(model_id)}/files"
        first = self._get(path, {"limit": FILES_PAGE})
        items, cursor = list(first["items"]), first["next"]
        while cursor is not None:
            page = self._get(path, {"limit": FILES_PAGE, "cursor": cursor})
            items += page["items"]
            cursor = page["next"]
        return ModelFiles({**first, "items": items, "next": None})

    def files_summary(self, model_id: str) -> ModelFiles:
        """Fetch the same with one file of the list at most."""
        return ModelFiles(self._get(f"/models/{segment(model_id)}/files", {"limit": 1}))

    def read_files(self, model_id: str) -> str:
        """Have the files of a model read that could not be read, and return what is known of them:
        `POST /api/models/{model_id}/files/read`."""
        path = f"/models/{segment(model_id)}/files/read"
        return str(self.client.request("POST", path, idempotent=True)["state"])

    def download_file(
        self,
        model_id: str,
        path: str,
        receive: Callable[[Iterator[bytes]], None],
        start: Callable[[], int] = lambda: 0,
        restart: Callable[[], None] = lambda: None,
    ) -> None:
        """Receive one file of a model: `GET /api/models/{model_id}/files/content`.

        Args:
            model_id: The model.
            path: The path of the file, as the list has it.
            receive: Called with the pieces of the file; again where the connection broke. It has to
                compare the SHA-256 with that of the list.
            start: Called before each attempt; returns the byte to begin with.
            restart: Called before `receive` where the pieces begin with the first byte instead.
        """
        url = f"/models/{segment(model_id)}/files/content"
        self.client.download(url, {"path": path}, receive, start, restart)

    def lineage(self, model_id: str, *, cursor: str | None = None) -> Lineage:
        """Fetch the tree that a model belongs to: `GET /api/models/{model_id}/lineage`.

        Args:
            model_id: A model of the tree.
            cursor: `next` of the page before, in a tree of more than one page.
        """
        query = {"cursor": cursor} if cursor else None
        return Lineage(self._get(f"/models/{segment(model_id)}/lineage", query))

    def withdraw(self, model_id: str, reason: str) -> RegisteredModel:
        """Withdraw a registration: `POST /api/models/{model_id}/withdraw`.

        Args:
            model_id: Hokusai's id of the model.
            reason: Why, in one line, which everyone who can see the model can see.
        """
        path = f"/models/{segment(model_id)}/withdraw"
        return RegisteredModel(self._post(path, {"reason": reason}, None))

    def contributor(self, address: str) -> Result:
        """Fetch the impact of one contributor's data: `GET /api/contributors/{address}`."""
        return Result(self._get(f"/contributors/{segment(address)}"))

    def contributors(self, *, limit: int | None = None) -> Iterator[Result]:
        """Iterate over contributors, by address: `GET /api/contributors`.

        Args:
            limit: The most contributors to yield; all by default.
        """
        return map(Result, self.items("/contributors", {}, limit))

    def contributions(self, address: str, *, limit: int | None = None) -> Iterator[Result]:
        """Iterate over an address's contributions, newest first:
        `GET /api/contributors/{address}/contributions`.

        Args:
            address: The contributor's Ethereum address.
            limit: The most contributions to yield; all by default.
        """
        path = f"/contributors/{segment(address)}/contributions"
        return map(Result, self.items(path, {}, limit))

    def attestations(self, *, limit: int | None = None, **filters: Any) -> Iterator[Result]:
        """Iterate over attestations, newest first: `GET /api/attestations`.

        Each has `hash`, with which `attestation()` fetches all of it.

        Args:
            limit: The most attestations to yield; all by default.
            **filters: `tenant`, `model_id`, `run_id`, `contributor` and `kind` select attestations.
        """
        return map(Result, self.items("/attestations", filters, limit))

    def attest(
        self,
        body: Mapping[str, Any],
        idempotency_key: str | None = None,
        *,
        retry_seconds: float | None = None,
    ) -> Attestation:
        """Issue an attestation: `POST /api/attestations`.

        Args:
            body: The members of the request; those that are None are left out.
            idempotency_key: Identifies this attestation when it is requested again.
            retry_seconds: How long to retry after faults, in place of the client's own setting.
        """
        return Attestation(self._post("/attestations", body, idempotency_key, retry_seconds))

    def circuits(self) -> list[Mapping[str, Any]]:
        """Fetch the circuits whose proofs the gateway accepts: `GET /api/proofs/circuits`."""
        return list(self._get("/proofs/circuits")["items"])

    def binding(
        self, benchmark_id: str, baseline_model_id: str, improved_model_id: str
    ) -> Mapping[str, Any]:
        """Fetch what a proof has to be bound to:
        `GET /api/benchmarks/{benchmark_id}/binding/{model_id}`.

        Args:
            benchmark_id: The benchmark.
            baseline_model_id: The baseline.
            improved_model_id: The improved model.
        """
        path = f"/benchmarks/{segment(benchmark_id)}/binding/{segment(improved_model_id)}"
        found: Mapping[str, Any] = self._get(path, {"baseline_model_id": baseline_model_id})
        return found

    def attestation(self, digest: str) -> Attestation:
        """Fetch an attestation by its hash: `GET /api/attestations/{hash}`.

        Its inclusion proof is for the log as it is now.
        """
        return Attestation(self._get(f"/attestations/{segment(digest)}"))

    def attestation_bundle(self, digest: str) -> Mapping[str, Any]:
        """Fetch a Sigstore bundle of an attestation: `GET /api/attestations/{hash}/bundle`.

        It is for public tools, and for `verify(..., bundle=...)`.

        Raises:
            ConflictError: The attestation was revoked.
        """
        bundle: Mapping[str, Any] = self._get(f"/attestations/{segment(digest)}/bundle")
        return bundle

    def mint_request(self, digest: str, **parameters: Any) -> MintRequest:
        """Have the mint of an improvement signed: `POST /api/attestations/{hash}/mint-request`.

        Args:
            digest: The hash of an attestation of the improvement.
            **parameters: Members of the request, such as the expected `chain_model_id`, and
                `actual_cost_usd_micro`; those that are None are left out.
        """
        body = {name: value for name, value in parameters.items() if value is not None}
        path = f"/attestations/{segment(digest)}/mint-request"
        # The same improvement gets the same request, so that repeating it is safe.
        return MintRequest(self.client.request("POST", path, json=body, idempotent=True))

    def mint_requests(
        self, *, token: str | None = None, limit: int | None = None
    ) -> Iterator[Result]:
        """Iterate over mint requests, newest first: `GET /api/mint-requests`.

        Each has `id`, with which `fetch_mint_request()` fetches all of it.

        Args:
            token: A token that the caller holds, or signs for; without it, the mint requests of the
                caller's own improvements.
            limit: The most mint requests to yield; all by default.
        """
        return map(Result, self.items("/mint-requests", {"token": token} if token else {}, limit))

    def fetch_mint_request(self, mint_request_id: int) -> MintRequest:
        """Fetch one mint request: `GET /api/mint-requests/{id}`."""
        return MintRequest(self._get(f"/mint-requests/{segment(str(mint_request_id))}"))

    def mint_message(self, mint_request_id: int) -> Result:
        """Fetch a complete mint request as the platform's message:
        `GET /api/mint-requests/{id}/message`.
        """
        return Result(self._get(f"/mint-requests/{segment(str(mint_request_id))}/message"))

    def add_mint_signature(self, mint_request_id: int, signature: str) -> MintRequest:
        """Add a further attestor's signature: `POST /api/mint-requests/{id}/signatures`.

        Args:
            mint_request_id: The `id` of the mint request.
            signature: Of its `typed_data`: 65 bytes in hexadecimal.
        """
        path = f"/mint-requests/{segment(str(mint_request_id))}/signatures"
        # A signature that is there already changes nothing.
        return MintRequest(
            self.client.request("POST", path, json={"signature": signature}, idempotent=True)
        )

    def approve_mint(
        self, token_id: str, *, model_id: str | None = None, contributor: str | None = None
    ) -> MintApproval:
        """Approve mints for a token that the caller holds: `POST /api/mint-approvals`.

        Args:
            token_id: The token.
            model_id: The improvement to approve.
            contributor: Or the address of a contributor to approve.
        """
        body = {"token_id": token_id, "model_id": model_id, "contributor": contributor}
        given = {name: value for name, value in body.items() if value is not None}
        # The same approval again gets the one in force.
        return MintApproval(
            self.client.request("POST", "/mint-approvals", json=given, idempotent=True)
        )

    def mint_approvals(self, *, limit: int | None = None, **filters: Any) -> Iterator[MintApproval]:
        """Iterate over the approvals that the caller's tenant gave: `GET /api/mint-approvals`.

        Args:
            limit: The most approvals to yield; all by default.
            **filters: `token` and `withdrawn` select approvals.
        """
        return (MintApproval(item) for item in self.items("/mint-approvals", filters, limit))

    def withdraw_mint_approval(self, approval_id: int) -> MintApproval:
        """Withdraw an approval: `POST /api/mint-approvals/{id}/withdraw`."""
        path = f"/mint-approvals/{segment(str(approval_id))}/withdraw"
        return MintApproval(self.client.request("POST", path, idempotent=True))

    def limits(self) -> RateLimit:
        """Fetch the caller's rate limit and its tenant's quotas: `GET /api/limits`."""
        return RateLimit(self._get("/limits"))

    def whoami(self) -> Identity:
        """Fetch the caller's identity: `GET /api/auth/whoami`."""
        return Identity(self._get("/auth/whoami"))

    def keys(self) -> Iterator[Key]:
        """Iterate over the caller's own API keys: `GET /api/keys`."""
        return (Key(item) for item in self.items("/keys", {}))

    def create_key(self, name: str, **members: Any) -> Key:
        """Create an API key for the caller: `POST /api/keys`.

        A wallet signs a SIWE message for it, so that the key can live up to 90 days. Where the
        gateway has Sign-In with Ethereum disabled, it signs the X-ETH-* headers: then the key lives
        a day at most.

        Args:
            name: What the key is for.
            **members: Further members of the request, such as `scopes`, `expires_in_days`,
                `rate_limit` and `allowed_networks`; those that are None are left out.

        Returns:
            The key; only this response has its member `key`.
        """
        given = {member: value for member, value in members.items() if value is not None}
        return Key(self._post_signed_in("/keys", {"name": name, **given}))

    def rotate_key(self, key_id: str, overlap_seconds: int | None = None) -> Key:
        """Replace an API key: `POST /api/keys/{id}/rotate`.

        Args:
            key_id: The key's id.
            overlap_seconds: How long the old key keeps working; a day by default.

        Returns:
            The new key, which ends when the old one would have ended.
        """
        body = {} if overlap_seconds is None else {"overlap_seconds": overlap_seconds}
        return Key(self._post_signed_in(f"/keys/{segment(key_id)}/rotate", body))

    def revoke_key(self, key_id: str, *, rotation_chain: bool = False) -> None:
        """Revoke an API key, and those created with it: `DELETE /api/keys/{id}`.

        Args:
            key_id: The key's id.
            rotation_chain: Also the keys that it was rotated to or from, as for a stolen key.
        """
        query = {"rotation_chain": "true"} if rotation_chain else {}
        self._delete(f"/keys/{segment(key_id)}", query)

    def revoke_all(self) -> Result:
        """Revoke all keys and tokens of the caller's wallet: `DELETE /api/keys`.

        Returns:
            How many there were: `keys`, `tokens` and `sessions`.
        """
        return Result(self._delete("/keys", {}))

    def _post_signed_in(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST with the strongest proof that the credential can give; it is sent once."""
        signer = self.client.wallet_signer
        if signer is None:
            return self.client.request("POST", path, json=body)
        try:
            nonce = self.client.request("GET", "/auth/nonce", anonymous=True)["nonce"]
        except PermissionDeniedError as error:
            if error.reason != "sign_in_off":
                raise
            return self.client.request("POST", path, json=body, sign=signer.headers)
        proof = signer.sign_in(self.client.url.origin, nonce)
        return self.client.request("POST", path, json={**body, "siwe": proof})

    def _delete(self, path: str, query: Mapping[str, Any]) -> Any:
        """DELETE, signed by the wallet itself if there is one: its tokens manage no keys."""
        signer = self.client.wallet_signer
        sign = signer.headers if signer is not None else None
        return self.client.request("DELETE", path, params=query, sign=sign, idempotent=True)


__all__ = ["GatewayAPI"]
