"""`ModelRegistry`: logs models to MLflow through the gateway, and registers them with Hokusai.

Longer than most files here: three methods have many parameters, which are documented one by one.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from hokusai.api import GatewayAPI
from hokusai.auth import plugin
from hokusai.client import GatewayClient
from hokusai.core.gateway_calls import GatewayCalls
from hokusai.core.inputs import (
    Contribution,
    LogArguments,
    ModelSource,
    contribution_list,
    file_list,
    metric_fields,
    validate_contributors,
)
from hokusai.core.platform_names import PlatformNames
from hokusai.credentials import resolve_credential
from hokusai.errors import ConfigurationError, HokusaiError, InputError
from hokusai.flavors import log_model
from hokusai.flavors.log import find_flavor
from hokusai.gateway_url import GatewayURL
from hokusai.json_encoding import to_json_data
from hokusai.metrics import metrics_in_metadata, validate_metrics
from hokusai.results import RegisteredModel
from hokusai.retry import RETRY_SECONDS

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger("hokusai")

# The three methods that register repeat the same parameters. They are written out rather than
# collected in **kwargs, so that editors, type checkers and the API reference show them.


class ModelRegistry(GatewayCalls, PlatformNames):
    """Hokusai's registry at one gateway, for one caller.

    Attributes:
        client: Sends the requests.
        api: The same requests, one method per endpoint.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        private_key: str | None = None,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Make the gateway MLflow's tracking server and model registry in this process.

        MLflow's requests carry the same credential. Nothing is sent yet. The newest registry is
        the default of `ExperimentManager` and `PerformanceTracker`.

        Args:
            url: The gateway's `/api/mlflow`, its `/api` or its root. By default `HOKUSAI_URL`,
                `HOKUSAI_API_ENDPOINT` or `MLFLOW_TRACKING_URI`.
            api_key: An API key or access token.
            private_key: A wallet's private key, which signs locally and is never sent. Without
                either argument the credential is `MLFLOW_TRACKING_TOKEN`, `HOKUSAI_API_KEY`,
                `HOKUSAI_PRIVATE_KEY`, or the key that `hokusai login` stored for this gateway.
                Without any of the three arguments, what `setup` was called with comes first.
            retry_seconds: How long a call is retried while the gateway fails or is unreachable.

        Raises:
            ConfigurationError: There is no URL, or it is not valid.
            CredentialError: The credential is unusable. A missing one is reported by the first
                call that needs it.
        """
        if url is None and api_key is None and private_key is None:
            url, api_key, private_key = _named_by_setup
        gateway = GatewayURL.resolve(url)
        credential = resolve_credential(gateway.origin, api_key, private_key)
        self.client = GatewayClient(gateway, credential, retry_seconds=retry_seconds)
        self.api = GatewayAPI(self.client)
        self._point_mlflow_here()
        _set_default_registry(self)

    def __repr__(self) -> str:
        return f"ModelRegistry({self.tracking_uri!r})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickled registry: the credential is not in it, and is looked up anew.

        In a new process, such as a worker of a pool, it becomes MLflow's tracking server and the
        default, as a registry that is created there does.
        """
        self.__dict__.update(state)
        if default_registry() is None:
            self._point_mlflow_here()
            _set_default_registry(self)

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry URI: the gateway's `/api/mlflow`."""
        return self.client.url.tracking

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
        share_files: bool = False,
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

        Pass exactly one of `model`, `model_uri` and `run_id`. A model in memory is logged to
        MLflow's active run, or to a new run if none is active.

        Args:
            model: An object of scikit-learn, XGBoost, LightGBM, CatBoost, PyTorch, Transformers,
                Keras or ONNX, any other object with a `predict` method, or a function.
            model_type: What the model is for, such as `classification`. Required.
            metadata: Any JSON object to store with the model.
            name: The name of the registered model in MLflow; by default made from the type.
            metrics: The model's metrics. By default those in `metadata` (under `metrics`, or the
                numbers at its top level), or else those of the run. Logged to the run.
            primary_metric: The metric that improvements are judged by.
            higher_is_better: The direction of metrics whose names do not tell.
            private: Whether only the caller's own tenant sees the model and builds on it.
            share_files: Whether every tenant that may read the model may download its files.
            model_uri: A model in MLflow: `runs:/...` or `models:/...`.
            run_id: A run in MLflow that logged the model.
            artifact_path: The path of the model in its run, by default `model`.
            input_example: A few rows of input, from which MLflow infers the signature.
            signature: MLflow's signature of the model.
            flavor: The name of MLflow's module for the model, where it cannot be detected.
            log_options: Further arguments of the flavour's `log_model`.
            idempotency_key: Identifies this registration when it is sent again.

        Raises:
            InputError: An argument is missing or not valid. Nothing was sent.
            GatewayError: The gateway refused.
            mlflow.exceptions.MlflowException: Logging the model failed.
        """
        if model_type is None:
            raise InputError("model_type is missing: what the model is for, as `classification`.")
        how = LogArguments(flavor, input_example, signature, log_options)
        body = {
            "model_type": model_type,
            "name": name,
            "private": private or None,
            "share_files": share_files or None,
            **metric_fields(metadata, metrics, primary_metric, higher_is_better),
        }
        source = ModelSource(model, model_uri, run_id, artifact_path, how)
        return self._register("baseline", body, source, idempotency_key)

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
        benchmark_id: str | None = None,
        evaluation: Mapping[str, Any] | None = None,
        share_files: bool = False,
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

        The arguments that are not listed here are those of `register_baseline`.

        Args:
            baseline_model_id: The registered model that it improves on.
            improved_model: The model in memory.
            contributor_address: The Ethereum address of the contributor of the data; applies to
                each contribution without a `contributor` of its own.
            data_contribution: One contribution or several. Each may have `contributor`,
                `data_size` or `samples`, `data_hash`, `weight_bps` (its share in basis points),
                and any other members, which are stored.
            metadata: Any JSON object to store with the model.
            model_type: What the model is for; by default the type of the baseline.
            metrics: As in `register_baseline`. By default the run's metrics are used, which
                `PerformanceTracker.track_improvement` logs.
            benchmark_id: The benchmark on which both models were evaluated.
            evaluation: The counts of both models on it, as `attest` takes them.

        Raises:
            InputError: An argument is missing or not valid. Nothing was sent.
            NotFoundError: There is no such baseline. The model was not uploaded.
            GatewayError: The gateway refused for another reason.
            mlflow.exceptions.MlflowException: Logging the model failed.
        """
        contributors = [
            item.get("contributor") for item in contribution_list(data_contribution)
        ] or [None]
        validate_contributors(data_contribution, contributor_address)
        if contributor_address is None and None in contributors:
            raise InputError("contributor_address is missing: whose data it was.")
        how = LogArguments(flavor, input_example, signature, log_options)
        body = {
            "baseline_model_id": baseline_model_id,
            "contributor_address": contributor_address,
            "data_contribution": to_json_data(data_contribution, "data_contribution"),
            "model_type": model_type,
            "name": name,
            "benchmark_id": benchmark_id,
            "evaluation": to_json_data(evaluation, "evaluation"),
            "share_files": share_files or None,
            **metric_fields(metadata, metrics, primary_metric, higher_is_better),
        }
        source = ModelSource(improved_model, model_uri, run_id, artifact_path, how)
        if improved_model is not None:
            # Fails before the model is uploaded if there is no such baseline.
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
        share_files: bool = False,
        input_example: Any = None,
        signature: Any = None,
        flavor: str | None = None,
        log_options: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> RegisteredModel:
        """Register a version of the model behind a Hokusai token.

        The arguments that are not listed here are those of `register_baseline`.

        Args:
            model_uri: A model in MLflow: `runs:/...` or `models:/...`.
            model_name: The name of the registered model in MLflow. Required.
            token_id: The id of the token, which belongs to the first tenant that uses it. Required.
            metric_name: The metric that the token's model is measured by. Required.
            baseline_value: The value of that metric to be exceeded. Required.
            additional_tags: Tags for the version in MLflow.
            model: The model in memory.

        Raises:
            InputError: An argument is missing or not valid. Nothing was sent.
            TokenTakenError: The token id belongs to another tenant.
            GatewayError: The gateway refused for another reason.
            mlflow.exceptions.MlflowException: Logging the model failed.
        """
        for value, argument in (
            (model_name, "model_name"),
            (token_id, "token_id"),
            (metric_name, "metric_name"),
            (baseline_value, "baseline_value"),
        ):
            if value is None:
                raise InputError(f"{argument} is missing.")
        how = LogArguments(flavor, input_example, signature, log_options)
        body = {
            "model_name": model_name,
            "token_id": token_id,
            "metric_name": metric_name,
            **validate_metrics({"baseline_value": baseline_value}, "given"),
            "additional_tags": to_json_data(additional_tags, "additional_tags"),
            "model_type": model_type,
            "share_files": share_files or None,
            **metric_fields(metadata, metrics, primary_metric, higher_is_better),
        }
        source = ModelSource(model, model_uri, run_id, artifact_path, how)
        return self._register("tokenized", body, source, idempotency_key)

    def activate(self) -> None:
        """Point MLflow at this gateway again, after another registry or URI was set.

        Raises:
            CredentialError: There is no credential.
            ConfigurationError: A run is active at another tracking server. What it logs would be
                missing from this gateway, so it has to end first.
        """
        import mlflow

        self.client.require_authorizer()
        if mlflow.get_tracking_uri() != self.tracking_uri and mlflow.active_run() is not None:
            raise ConfigurationError(
                f"A run is active, and MLflow's tracking URI is no longer {self.tracking_uri}. "
                "End the run first."
            )
        self._point_mlflow_here()

    def _point_mlflow_here(self) -> None:
        import mlflow

        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.tracking_uri)
        plugin.activate(self.client)

    def _register(
        self, kind: str, body: dict[str, Any], source: ModelSource, idempotency_key: str | None
    ) -> RegisteredModel:
        """Register the model that `source` names, after logging it if it is in memory."""
        source.validate()
        if source.model is None:
            location = {
                "model_uri": source.model_uri,
                "run_id": source.run_id,
                "artifact_path": source.artifact_path,
            }
            return self.api.register(kind, {**body, **location}, idempotency_key)
        # Otherwise a model that cannot be logged would leave an empty run.
        find_flavor(source.model, source.log_arguments.flavor)
        import mlflow

        metrics = body.get("metrics") or metrics_in_metadata(body.get("metadata") or {})
        self.activate()
        with _active_or_new_run(kind) as run:
            logged = log_model(
                source.model,
                run.info.run_id,
                artifact_path=source.artifact_path,
                **vars(source.log_arguments),
            )
            if metrics:
                # The gateway can only witness metrics that are in MLflow.
                mlflow.log_metrics(metrics)
            try:
                body["model_uri"] = logged.model_uri
                body["files"] = file_list(logged.files)
                return self.api.register(kind, body, idempotency_key)
            except HokusaiError:
                log.warning(
                    "The model is in MLflow as %s. Pass that as model_uri to register it later "
                    "without another upload.",
                    logged.model_uri,
                )
                raise


@contextlib.contextmanager
def _active_or_new_run(kind: str) -> Iterator[Run]:
    """Yield MLflow's active run, or else a new one that ends with the block."""
    import mlflow

    active = mlflow.active_run()
    if active is not None:
        yield active
        return
    with mlflow.start_run(run_name=f"hokusai-{kind}") as run:
        yield run


_default_registry: ModelRegistry | None = None
# The arguments of `ModelRegistry` that `setup` was called with.
_named_by_setup: tuple[str | None, str | None, str | None] = (None, None, None)


def setup(
    api_key: str | None = None,
    api_endpoint: str | None = None,
    *,
    private_key: str | None = None,
) -> ModelRegistry:
    """Name the gateway and the credential for this process, as the platform's SDK does.

    `ModelRegistry()`, `ExperimentManager()` and `PerformanceTracker()` use them from then on.

    Args:
        api_key: An API key or access token.
        api_endpoint: The gateway's root, its `/api` or its `/api/mlflow`.
        private_key: Or a wallet's private key. What is left out is looked up as by
            `ModelRegistry`.

    Returns:
        A registry that uses them.

    Raises:
        ConfigurationError: There is no URL, or it is not valid.
        CredentialError: The credential is unusable.
    """
    global _named_by_setup  # noqa: PLW0603 - for the process, as MLflow's tracking URI is
    registry = ModelRegistry(api_endpoint, api_key, private_key)
    _named_by_setup = (api_endpoint, api_key, private_key)
    return registry


def _set_default_registry(registry: ModelRegistry) -> None:
    global _default_registry  # noqa: PLW0603 - MLflow has one tracking URI for a process too
    _default_registry = registry


def default_registry() -> ModelRegistry | None:
    """Return the process-wide default registry: the `ModelRegistry` created last, or None."""
    return _default_registry
