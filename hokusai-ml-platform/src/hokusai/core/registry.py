"""The registry: a model goes to MLflow, and is registered with Hokusai."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from hokusai.api import GatewayAPI
from hokusai.auth import plugin
from hokusai.client import RETRY_SECONDS, GatewayClient
from hokusai.core.inputs import (
    Contribution,
    ModelSource,
    contribution_list,
    metric_fields,
    validate_address,
)
from hokusai.credentials import resolve_credential
from hokusai.errors import ConfigurationError, CredentialError, HokusaiError, InputError
from hokusai.flavors import log_model
from hokusai.gateway_url import GatewayURL
from hokusai.json_encoding import to_json_data
from hokusai.metrics import metrics_in_metadata, validate_metrics
from hokusai.results import (
    Attestation,
    Identity,
    Lineage,
    MintRequest,
    RateLimit,
    RegisteredModel,
)

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger("hokusai")


class ModelRegistry:
    """Hokusai's registry behind one gateway, as one caller sees it.

    url: the gateway's `/api/mlflow` (its root or `/api` will do); by default `HOKUSAI_URL`, or
    `MLFLOW_TRACKING_URI`. api_key, private_key: one credential; by default `MLFLOW_TRACKING_TOKEN`,
    `HOKUSAI_API_KEY`, `HOKUSAI_PRIVATE_KEY`, or what `hokusai login` stored for this gateway.
    retry_seconds: for how long a call is repeated when the gateway fails or is away.

    Making one makes the gateway MLflow's tracking server and registry in this process, with the
    same credential, and asks nothing of the network. Raises ConfigurationError for a URL that is
    none, CredentialError for a credential that cannot be one.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        private_key: str | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        address = GatewayURL.resolve(url)
        credential = resolve_credential(address.origin, api_key, private_key)
        self.client = GatewayClient(address, credential, retry_seconds=retry_seconds)
        self.api = GatewayAPI(self.client)
        self._adopt()
        _set_default_registry(self)

    def __repr__(self) -> str:
        return f"ModelRegistry({self.tracking_uri!r})"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry URI: the gateway's `/api/mlflow`."""
        return self.client.url.tracking

    # --- registering ---

    def register_baseline(
        self,
        model: Any = None,
        model_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        primary_metric: str | None = None,
        higher_is_better: Mapping[str, bool] | None = None,
        private: bool = False,
        model_uri: str | None = None,
        run_id: str | None = None,
        artifact_path: str | None = None,
        input_example: Any = None,
        signature: Any = None,
        flavor: str | None = None,
        log_options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> RegisteredModel:
        """Register a model that others can improve on.

        model: an object of scikit-learn, XGBoost, LightGBM, PyTorch, Transformers, Keras, ONNX or
        any other library with a `predict` method, or a function. It is logged to the active run, or
        to one of its own. Or else model_uri (`runs:/...`, `models:/...`) or run_id of one that is
        in MLflow. metadata: any JSON; its metrics (under `metrics`, or the numbers at its top) are
        the model's unless `metrics` are given, and are logged to the run. input_example: a few rows
        of input, from which MLflow infers the signature. log_options: further arguments of
        the flavour's `log_model`.

        Raises InputError before anything is sent, GatewayError for a refusal, and MLflow's own
        MlflowException where logging fails.
        """
        if model_type is None:
            raise InputError("model_type is missing: what the model is for, as `classification`.")
        body = {
            "model_type": model_type,
            "name": name,
            "private": private or None,
            **metric_fields(metadata, metrics, primary_metric, higher_is_better),
        }
        return self._register(
            "baseline",
            body,
            ModelSource(
                model,
                model_uri,
                run_id,
                artifact_path,
                flavor,
                {"input_example": input_example, "signature": signature, "options": log_options},
            ),
            idempotency_key,
        )

    def register_improved_model(
        self,
        baseline_model_id: str,
        improved_model: Any = None,
        contributor_address: str | None = None,
        data_contribution: Contribution | Sequence[Contribution] | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        model_type: str | None = None,
        name: str | None = None,
        metrics: Mapping[str, Any] | None = None,
        primary_metric: str | None = None,
        higher_is_better: Mapping[str, bool] | None = None,
        model_uri: str | None = None,
        run_id: str | None = None,
        artifact_path: str | None = None,
        input_example: Any = None,
        signature: Any = None,
        flavor: str | None = None,
        log_options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> RegisteredModel:
        """Register a model that improves on a registered one with contributed data.

        contributor_address: whose the data is, where `data_contribution` does not say. That is one
        mapping or several: `contributor`, `data_size` or `samples`, `data_hash`, `weight_bps`, and
        whatever else is to be kept. Without `metrics`, in metadata or by themselves, the run's
        count, as `PerformanceTracker.track_improvement` logs them. The rest is as in
        `register_baseline`.
        """
        given = contribution_list(data_contribution)
        named = [item.get("contributor") for item in given] or [None]
        for address in (*named, contributor_address):
            validate_address(address)
        if contributor_address is None and None in named:
            raise InputError("contributor_address is missing: whose data it was.")
        body = {
            "baseline_model_id": baseline_model_id,
            "contributor_address": contributor_address,
            "data_contribution": to_json_data(data_contribution, "data_contribution"),
            "model_type": model_type,
            "name": name,
            **metric_fields(metadata, metrics, primary_metric, higher_is_better),
        }
        source = ModelSource(
            improved_model,
            model_uri,
            run_id,
            artifact_path,
            flavor,
            {"input_example": input_example, "signature": signature, "options": log_options},
        )
        if improved_model is not None:
            # A baseline that is not there should be found out before a model is uploaded.
            self.model(baseline_model_id)
        return self._register("improved", body, source, idempotency_key)

    def register_tokenized_model(
        self,
        model_uri: str | None = None,
        model_name: str | None = None,
        token_id: str | None = None,
        metric_name: str | None = None,
        baseline_value: float | None = None,
        additional_tags: Mapping[str, Any] | None = None,
        *,
        model: Any = None,
        run_id: str | None = None,
        artifact_path: str | None = None,
        model_type: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
        primary_metric: str | None = None,
        higher_is_better: Mapping[str, bool] | None = None,
        input_example: Any = None,
        signature: Any = None,
        flavor: str | None = None,
        log_options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> RegisteredModel:
        """Register a version of the model behind a Hokusai token; the result has `token_id`.

        model_name: in MLflow. metric_name, baseline_value: what the token's model is measured by.
        additional_tags: of the version in MLflow. The rest is as in `register_baseline`.
        """
        for value, what in (
            (model_name, "model_name"),
            (token_id, "token_id"),
            (metric_name, "metric_name"),
            (baseline_value, "baseline_value"),
        ):
            if value is None:
                raise InputError(f"{what} is missing.")
        body = {
            "model_name": model_name,
            "token_id": token_id,
            "metric_name": metric_name,
            "baseline_value": validate_metrics({"baseline_value": baseline_value}, "given")[
                "baseline_value"
            ],
            "additional_tags": to_json_data(additional_tags, "additional_tags"),
            "model_type": model_type,
            **metric_fields(metadata, metrics, primary_metric, higher_is_better),
        }
        source = ModelSource(
            model,
            model_uri,
            run_id,
            artifact_path,
            flavor,
            {"input_example": input_example, "signature": signature, "options": log_options},
        )
        return self._register("tokenized", body, source, idempotency_key)

    # --- asking ---

    def model(self, model_id: str) -> RegisteredModel:
        """One model. Raises NotFoundError."""
        return self.api.model(model_id)

    def models(self, **filters: Any) -> Iterator[RegisteredModel]:
        """Models, newest first; pages are fetched as they are read.

        filters: kind, type, tenant, contributor, token, name; limit is the size of a page.
        """
        return self.api.models(**filters)

    def lineage(self, model_id: str) -> Lineage:
        """The tree from the first baseline on. Raises NotFoundError."""
        return self.api.lineage(model_id)

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
        idempotency_key: str | None = None,
    ) -> Attestation:
        """Ask for an attestation, `witnessed` by default (docs/attestations.md of the gateway).

        Name one model: model_id, improved_model_id, improved_run_id, or model_name with
        model_version; and for an improvement one baseline: baseline_model_id or baseline_run_id. A
        registered improvement brings its own. The same call gives the same attestation again,
        unless its idempotency_key is new. Raises ClaimDisagreesError where MLflow has others.
        """
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
        }
        return self.api.attest(body, idempotency_key)

    def attestation(self, digest: str) -> Attestation:
        """An attestation by its hash. Raises NotFoundError."""
        return self.api.attestation(digest)

    def mint_request(self, digest: str, **parameters: Any) -> MintRequest:
        """The chain's MintRequest for an attestation's hash. Raises NotMintableError."""
        return self.api.mint_request(digest, **parameters)

    def limits(self) -> RateLimit:
        """What is left of the caller's limit."""
        return self.api.limits()

    def whoami(self) -> Identity:
        """Who the gateway takes the caller for."""
        return self.api.whoami()

    # --- MLflow ---

    def activate(self) -> None:
        """Make this gateway MLflow's again, with this credential, after another registry was made.

        Raises CredentialError without a credential, and ConfigurationError while a run is active
        in another store: what is logged to it would be lost to the registry.
        """
        import mlflow

        if self.client.authorizer is None:
            raise CredentialError(
                f"There is no credential for {self.client.url.origin}. Set "
                "MLFLOW_TRACKING_TOKEN or HOKUSAI_API_KEY to an API key, HOKUSAI_PRIVATE_KEY to a "
                "wallet's key, or run `hokusai login`."
            )
        if mlflow.get_tracking_uri() != self.tracking_uri and mlflow.active_run() is not None:
            raise ConfigurationError(
                f"MLflow's tracking URI is not {self.tracking_uri} any more, and a run is active "
                "there. End the run first."
            )
        self._adopt()

    def _adopt(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.tracking_uri)
        plugin.activate(self.client)

    def _register(
        self, kind: str, body: dict[str, Any], source: ModelSource, idempotency_key: str | None
    ) -> RegisteredModel:
        source.validate()
        if source.model is None:
            located = {
                "model_uri": source.model_uri,
                "run_id": source.run_id,
                "artifact_path": source.artifact_path,
            }
            return self.api.register(kind, {**body, **located}, idempotency_key)
        metrics = body.get("metrics") or metrics_in_metadata(body.get("metadata") or {})
        self.activate()
        with _run_of(kind) as run:
            logged = log_model(
                source.model,
                run.info.run_id,
                flavor=source.flavor,
                artifact_path=source.artifact_path,
                **source.details,
            )
            if metrics:
                import mlflow

                # So that the gateway can witness them.
                mlflow.log_metrics(metrics)
            try:
                return self.api.register(
                    kind, {**body, "model_uri": logged.model_uri}, idempotency_key
                )
            except HokusaiError:
                log.warning(
                    "The model is in MLflow as %s. Once it can be registered, pass model_uri= to "
                    "spare the upload.",
                    logged.model_uri,
                )
                raise


@contextlib.contextmanager
def _run_of(kind: str) -> Iterator[Run]:
    """The active run, or one that begins and ends here."""
    import mlflow

    active = mlflow.active_run()
    if active is not None:
        yield active
        return
    with mlflow.start_run(run_name=f"hokusai-{kind}") as run:
        yield run


_default_registry: ModelRegistry | None = None


def _set_default_registry(registry: ModelRegistry) -> None:
    global _default_registry  # noqa: PLW0603 - MLflow has one tracking URI for a process too
    _default_registry = registry


def default_registry() -> ModelRegistry | None:
    """Return the process-wide default registry: the `ModelRegistry` created last, or None."""
    return _default_registry
