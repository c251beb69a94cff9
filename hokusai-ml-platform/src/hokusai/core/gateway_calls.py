"""The methods of `ModelRegistry` that only call the gateway, and do not use MLflow."""

from __future__ import annotations

import os
import time
from typing import Any, Iterator, Mapping, Sequence

from hokusai.api import GatewayAPI
from hokusai.core.benchmark_calls import BenchmarkCalls
from hokusai.core.download import download_model
from hokusai.core.inputs import Contribution, validate_contributors
from hokusai.json_encoding import to_json_data
from hokusai.results import (
    Attestation,
    Identity,
    Lineage,
    MintApproval,
    MintRequest,
    ModelFiles,
    RateLimit,
    RegisteredModel,
    Result,
)


class GatewayCalls(BenchmarkCalls):
    """Reading models, requesting attestations, and asking about the caller.

    Attributes:
        api: Sends the requests.
    """

    api: GatewayAPI

    def model(self, model_id: str) -> RegisteredModel:
        """Fetch one model.

        Raises:
            NotFoundError: There is none with this id that the caller can see.
        """
        return self.api.model(model_id)

    def models(self, *, limit: int | None = None, **filters: Any) -> Iterator[RegisteredModel]:
        """Iterate over models, newest first; each page is fetched when it is reached.

        Args:
            limit: The most models to yield; all by default.
            **filters: `kind`, `type`, `tenant`, `contributor`, `token`, `name` and `run_id` select
                models.
        """
        return self.api.models(limit=limit, **filters)

    def lineage(self, model_id: str) -> Lineage:
        """Fetch the tree of models that this one belongs to, from the first baseline.

        Raises:
            NotFoundError: There is no model with this id that the caller can see.
        """
        return self.api.lineage(model_id)

    def withdraw(self, model_id: str, reason: str) -> RegisteredModel:
        """Withdraw a registration of your tenant, such as one with wrong shares.

        The record stays, with the time and the reason; nothing builds on it any more: it cannot be
        improved on, attested or minted. The same run or version can be registered anew. Withdrawing
        it again changes nothing.

        Args:
            model_id: Hokusai's id of the model.
            reason: Why, in one line, which everyone who can see the model can see.

        Raises:
            NotFoundError: There is none with this id that the caller can see.
            PermissionDeniedError: The model belongs to another tenant.
        """
        return self.api.withdraw(model_id, reason)

    def wait_for_files(self, model_id: str, seconds: float = 60.0) -> str:
        """Wait until the gateway has read a model's files in MLflow.

        Args:
            model_id: Hokusai's id of the model.
            seconds: How long to wait, at most.

        Returns:
            What is known of the files then: `witnessed`, `differs`, `failed`, or `claimed` if they
            are more than the gateway reads. `pending` or `claimed` also if the time was too short.
        """
        end, pause = time.monotonic() + seconds, 0.1
        while True:
            files = self.api.files_summary(model_id)
            # A reason says that nothing more will happen.
            is_over = files.state not in ("pending", "claimed") or files.reason is not None
            if is_over or time.monotonic() + pause > end:
                return files.state
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def download(self, model_id: str, directory: str | os.PathLike[str]) -> ModelFiles:
        """Download the files of a model, and compare each with the gateway's list.

        Args:
            model_id: Hokusai's id of a model of the caller's tenant, or of one whose owner shares
                its files.
            directory: A directory that does not exist yet, or is empty. An interrupted download
                goes on where it ended. The list is stored beside it, with `.files.json` after the
                directory's name.

        Raises:
            DownloadError: The files are not known yet, a file is not the one of the list, or the
                directory cannot be written.
            PermissionDeniedError: The owner does not share the files.
        """
        return download_model(self.api, model_id, directory)

    def attest(
        self,
        *,
        model_id: str | None = None,
        baseline_model_id: str | None = None,
        improved_model_id: str | None = None,
        baseline_run_id: str | None = None,
        improved_run_id: str | None = None,
        model_name: str | None = None,
        model_version: str | int | None = None,
        kind: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        data_contribution: Contribution | Sequence[Contribution] | None = None,
        primary_metric: str | None = None,
        higher_is_better: Mapping[str, bool] | None = None,
        benchmark_id: str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        refresh: bool | None = None,
        private: bool | None = None,
        idempotency_key: str | None = None,
    ) -> Attestation:
        """Issue an attestation of a model or of an improvement.

        Name one model: `model_id`, `improved_model_id`, `improved_run_id`, or `model_name` with
        `model_version`. For an improvement name its baseline too, with `baseline_model_id` or
        `baseline_run_id`, unless the model is a registered improvement, whose baseline is known.

        Args:
            model_id: A registered model.
            baseline_model_id: The baseline, as a registered model.
            improved_model_id: The improved model, as a registered model.
            baseline_run_id: The baseline, as an MLflow run of the caller's tenant.
            improved_run_id: The improved model, as an MLflow run of the caller's tenant.
            model_name: The name of a registered model in MLflow.
            model_version: Its version in MLflow.
            kind: `witnessed` (only numbers that the gateway has seen in MLflow) or `claimed`. By
                default `witnessed` where the primary metric was seen of each model.
            metrics: The caller's numbers, which must agree with MLflow's.
            data_contribution: Whose data led to the improvement.
            primary_metric: The metric that the improvement is judged by.
            higher_is_better: The direction of metrics whose names do not tell.
            benchmark_id: The benchmark on which both models were evaluated.
            evaluation: The counts of both models on it: `baseline` and `improved`, each with
                `successes` and `sample_size`, and `discordant` with `baseline_only` and
                `improved_only` where it is known. For a metric that is a mean, `baseline` and
                `improved` each have `scores`, those of all rows in their order.
            refresh: Where MLflow has other values than the registration: False attests the
                registered ones, True MLflow's. Without it such a request is refused.
            private: Whether only the caller's tenant may read the attestation. By default it is
                public if all its models are registered, and none as private.
            idempotency_key: Requests a new attestation of the same subject if it is new. By
                default the same call returns the same attestation.

        Raises:
            InputError: A contributor is not an Ethereum address. Nothing was sent.
            ClaimDisagreesError: A number in `metrics` differs from MLflow's.
            GatewayError: The gateway refused for another reason.
        """
        validate_contributors(data_contribution)
        body = {
            "model_id": model_id,
            "baseline_model_id": baseline_model_id,
            "improved_model_id": improved_model_id,
            "baseline_run_id": baseline_run_id,
            "improved_run_id": improved_run_id,
            "model_name": model_name,
            "model_version": model_version,
            "kind": kind,
            "metrics": to_json_data(metrics, "metrics"),
            "data_contribution": to_json_data(data_contribution, "data_contribution"),
            "primary_metric": primary_metric,
            "higher_is_better": to_json_data(higher_is_better, "higher_is_better"),
            "benchmark_id": benchmark_id,
            "evaluation": to_json_data(evaluation, "evaluation"),
            "refresh": refresh,
            "private": private,
        }
        return self.api.attest(body, idempotency_key)

    def attestation(self, digest: str) -> Attestation:
        """Fetch an attestation by its hash.

        Raises:
            NotFoundError: There is none with this hash.
        """
        return self.api.attestation(digest)

    def mint_request(self, digest: str, **parameters: Any) -> MintRequest:
        """Have the MintRequest of an improvement signed for the Hokusai contracts.

        The same improvement gets the same MintRequest until its deadline.

        Args:
            digest: The hash of an attestation of the improvement.
            **parameters: Members of the request: the expected `chain_model_id`, and
                `actual_cost_usd_micro`, what the evaluation cost.

        Raises:
            NotMintableError: No tokens can be minted for this attestation.
            PermissionDeniedError: Another tenant holds the token, and has not approved it.
        """
        return self.api.mint_request(digest, **parameters)

    def mint_requests(
        self, *, token: str | None = None, limit: int | None = None
    ) -> Iterator[Result]:
        """Iterate over mint requests, newest first; each page is fetched when it is reached.

        Args:
            token: A token that the caller holds, or signs for; without it, the mint requests of the
                caller's own improvements.
            limit: The most mint requests to yield; all by default.
        """
        return self.api.mint_requests(token=token, limit=limit)

    def fetch_mint_request(self, mint_request_id: int) -> MintRequest:
        """Fetch one mint request, with its typed data and signatures.

        Raises:
            NotFoundError: There is none with this id that the caller can see.
        """
        return self.api.fetch_mint_request(mint_request_id)

    def mint_message(self, mint_request_id: int) -> Result:
        """Fetch a complete mint request as the message that the platform's minting service takes.

        Raises:
            NotMintableError: It needs more signatures, or no contract accepts it any more.
        """
        return self.api.mint_message(mint_request_id)

    def add_mint_signature(self, mint_request_id: int, signature: str) -> MintRequest:
        """Add the signature of a further attestor to a mint request.

        Args:
            mint_request_id: The `id` of the mint request.
            signature: Of its `typed_data` (EIP-712), made anywhere: 65 bytes in hexadecimal.

        Raises:
            ValidationError: It is by none of the attestors whose signatures are accepted.
            NotMintableError: The mint is no longer agreed to, or its deadline has passed.
        """
        return self.api.add_mint_signature(mint_request_id, signature)

    def approve_mint(
        self, token_id: str, *, model_id: str | None = None, contributor: str | None = None
    ) -> MintApproval:
        """Approve, as the holder of a token, that improvements by other tenants are minted.

        Args:
            token_id: The token.
            model_id: The improvement to approve.
            contributor: Or the address of a contributor: improvements whose contributors are all
                approved can be minted.

        Raises:
            PermissionDeniedError: The caller's tenant does not hold the token.
        """
        return self.api.approve_mint(token_id, model_id=model_id, contributor=contributor)

    def mint_approvals(self, *, limit: int | None = None, **filters: Any) -> Iterator[MintApproval]:
        """Iterate over the approvals that the caller's tenant gave, newest first.

        Args:
            limit: The most approvals to yield; all by default.
            **filters: `token` and `withdrawn` select approvals.
        """
        return self.api.mint_approvals(limit=limit, **filters)

    def withdraw_mint_approval(self, approval_id: int) -> MintApproval:
        """Withdraw an approval. It stays as a record."""
        return self.api.withdraw_mint_approval(approval_id)

    def limits(self) -> RateLimit:
        """Fetch the caller's rate limit."""
        return self.api.limits()

    def whoami(self) -> Identity:
        """Fetch the caller's identity, as the gateway sees it."""
        return self.api.whoami()
