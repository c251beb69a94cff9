"""Comparing two models' metrics, and having the improvement attested."""

from __future__ import annotations

import datetime
import hashlib
import json
import warnings
from typing import Any, Mapping, Sequence

from hokusai.api import GatewayAPI
from hokusai.client import TRANSIENT_STATUSES, GatewayClient
from hokusai.core.inputs import validate_contributors
from hokusai.core.registry import ModelRegistry, default_registry
from hokusai.errors import (
    ConfigurationError,
    CredentialError,
    InputError,
    ServerError,
    UnreachableError,
    UnsignedAttestationWarning,
)
from hokusai.json_encoding import to_json_data
from hokusai.metrics import metric_deltas, validate_metrics
from hokusai.results import Attestation, Result

# Shorter than the client's own: a training run without a gateway should not be held up for long.
RETRY_SECONDS = 15.0


class PerformanceTracker:
    """Compares the metrics of two models, and requests an attestation of the difference."""

    def __init__(self, registry: ModelRegistry | None = None) -> None:
        """Nothing is sent yet.

        Args:
            registry: Whose gateway and credential are used. By default those of the registry
                created last, or else those in the environment, looked up at each call.
        """
        self._registry = registry

    def track_improvement(
        self,
        baseline_metrics: Mapping[str, Any],
        improved_metrics: Mapping[str, Any],
        data_contribution: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        baseline_run_id: str | None = None,
        improved_run_id: str | None = None,
        baseline_model_id: str | None = None,
        improved_model_id: str | None = None,
        primary_metric: str | None = None,
        higher_is_better: Mapping[str, bool] | None = None,
        idempotency_key: str | None = None,
        proof: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, float], Attestation]:
        """Compute the improvement, and request an attestation of it.

        If the baseline and the improved model are named, each by its run or its id, the
        attestation is `witnessed`: the gateway compares the numbers with MLflow's. Otherwise it is
        `claimed`: the gateway signs that the caller sent these numbers. If no gateway can be
        reached, it is `unsigned`, with an UnsignedAttestationWarning.

        The improved metrics are also logged to MLflow's active run, if that is at this gateway, so
        that they can be witnessed later.

        Args:
            baseline_metrics: The metrics of the baseline.
            improved_metrics: The metrics of the improved model: at least those of the baseline.
            data_contribution: Whose data led to the improvement, as in
                `ModelRegistry.register_improved_model`.
            baseline_run_id: The run of the baseline.
            improved_run_id: The run of the improved model.
            baseline_model_id: The registered baseline.
            improved_model_id: The registered improved model.
            primary_metric: The metric that the improvement is judged by.
            higher_is_better: The direction of metrics whose names do not tell.
            idempotency_key: Identifies this attestation when it is requested again.
            proof: From `hokusai.proofs.Proving.prove`. It names both models, and the attestation
                is `proven`.

        Returns:
            Improved minus baseline for each metric of the baseline, and the attestation.

        Raises:
            MetricError: A metric is not a finite number, or the metrics cannot be compared.
            InputError: Only one of the two models is named, or one is named twice; or a
                contributor is not an Ethereum address.
            CredentialError: There is a gateway but no credential for it.
            GatewayError: The gateway refused.
        """
        baseline = validate_metrics(baseline_metrics, "baseline")
        improved = validate_metrics(improved_metrics, "improved")
        delta = metric_deltas(baseline, improved)
        validate_contributors(data_contribution)
        if proof is not None:
            baseline_model_id = baseline_model_id or proof["baseline_model_id"]
            improved_model_id = improved_model_id or proof["improved_model_id"]
        witnessed = _names_both_models(
            [baseline_run_id, baseline_model_id], [improved_run_id, improved_model_id]
        )
        body: dict[str, Any] = {
            "kind": "witnessed" if witnessed else "claimed",
            "metrics": {"baseline": baseline, "improved": improved},
            "data_contribution": to_json_data(data_contribution, "data_contribution"),
            "baseline_run_id": baseline_run_id,
            "improved_run_id": improved_run_id,
            "baseline_model_id": baseline_model_id,
            "improved_model_id": improved_model_id,
            "primary_metric": primary_metric,
            "higher_is_better": to_json_data(higher_is_better, "higher_is_better"),
        }
        if proof is not None:
            body.update(kind="proven", benchmark_id=proof["benchmark_id"], proof=proof["proof"])
        try:
            attestation = self._api().attest(body, idempotency_key, retry_seconds=RETRY_SECONDS)
        except UnreachableError as error:
            reason = str(error)
        except ServerError as error:
            if error.status not in TRANSIENT_STATUSES:
                raise
            reason = str(error)
        except CredentialError:
            # A ConfigurationError too, but one that the caller has to correct.
            raise
        except ConfigurationError as error:
            reason = str(error)
        else:
            self._log_to_active_run(improved)
            return delta, attestation
        warnings.warn(
            f"The attestation is unsigned, and proves nothing to others. {reason}",
            UnsignedAttestationWarning,
            stacklevel=2,
        )
        return delta, _unsigned(baseline, improved, delta, body["data_contribution"])

    def get_contributor_impact(self, contributor_address: str) -> Result:
        """Fetch what one contributor's data achieved: `GET /api/contributors/{address}`.

        Raises:
            NotFoundError: It has contributed to no model that the caller can see.
        """
        return self._api().contributor(contributor_address)

    def _api(self) -> GatewayAPI:
        registry = self._registry or default_registry()
        return registry.api if registry is not None else GatewayAPI(GatewayClient.connect())

    def _log_to_active_run(self, metrics: Mapping[str, float]) -> None:
        import mlflow

        registry = self._registry or default_registry()
        if registry is None or mlflow.get_tracking_uri() != registry.tracking_uri:
            return
        if mlflow.active_run() is not None:
            mlflow.log_metrics(dict(metrics))


def _names_both_models(baselines: list[str | None], improved: list[str | None]) -> bool:
    counts = [sum(name is not None for name in names) for names in (baselines, improved)]
    if counts == [0, 0]:
        return False
    if counts != [1, 1]:
        raise InputError(
            "For a witnessed attestation pass one of baseline_run_id and baseline_model_id, and "
            "one of improved_run_id and improved_model_id."
        )
    return True


def _unsigned(
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    delta: Mapping[str, float],
    contribution: Any,
) -> Attestation:
    """An attestation of the same form as the gateway's, which nobody has signed."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    data = {
        "attestation_type": "performance_improvement",
        "kind": "unsigned",
        "metrics": dict(improved),
        "baseline": dict(baseline),
        "delta": dict(delta),
        "data_contribution": contribution,
        "timestamp": now.isoformat(),
    }
    text = json.dumps(data, sort_keys=True, allow_nan=False)
    return Attestation(
        {
            "hash": hashlib.sha256(text.encode()).hexdigest(),
            "bytes": text,
            "data": data,
            "kind": "unsigned",
            "evidence": "unsigned",
            "signature": None,
            "eas": None,
            "log": None,
            "proof": None,
            "delta_one": None,
            "revoked": None,
            "note": "No gateway has seen this. Request an attestation when one can be reached.",
        }
    )
