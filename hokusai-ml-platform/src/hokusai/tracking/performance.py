"""Improvements: the difference, and an attestation of it."""

from __future__ import annotations

import datetime
import hashlib
import json
import warnings
from typing import Any, Mapping, Sequence

from hokusai.api import GatewayAPI
from hokusai.client import GatewayClient
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
from hokusai.results import Attestation

# Whoever trains without a gateway should not wait for one for long.
RETRY_SECONDS = 15.0


class PerformanceTracker:
    """Compares two models' metrics and has the difference attested.

    registry: by default the one made last in this process, or else the gateway and the credential
    that the environment names. Looked for when it is needed.
    """

    def __init__(self, registry: ModelRegistry | None = None) -> None:
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
    ) -> tuple[dict[str, float], Attestation]:
        """The difference of each metric of the baseline (improved minus baseline), and an
        attestation.

        With an improved and a baseline run or model the attestation is `witnessed`: the gateway
        compares the numbers with MLflow's. Without, it is `claimed`: the caller's word, signed and
        logged as such. The improved metrics are also logged to the active run, if there is one at
        the gateway, so that it can witness them later. Where no gateway is in reach, the
        attestation is `unsigned`, and an UnsignedAttestationWarning says so.

        Raises MetricError for metrics that are no finite numbers or cannot be compared, and
        GatewayError for what the gateway refuses.
        """
        baseline = validate_metrics(baseline_metrics, "baseline")
        improved = validate_metrics(improved_metrics, "improved")
        delta = metric_deltas(baseline, improved)
        witnessed = _witnessed(
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
        try:
            attestation = self._api().attest(body, idempotency_key, retry_seconds=RETRY_SECONDS)
        except UnreachableError as error:
            why = str(error)
        except ServerError as error:
            if error.status not in (502, 503, 504):
                raise
            why = str(error)
        except CredentialError:
            raise
        except ConfigurationError as error:
            why = str(error)
        else:
            self._log(improved)
            return delta, attestation
        warnings.warn(
            f"The attestation is unsigned, and proves nothing to others. {why}",
            UnsignedAttestationWarning,
            stacklevel=2,
        )
        return delta, _unsigned(baseline, improved, delta, body["data_contribution"])

    def _api(self) -> GatewayAPI:
        registry = self._registry or default_registry()
        return registry.api if registry is not None else GatewayAPI(GatewayClient.connect())

    def _log(self, metrics: Mapping[str, float]) -> None:
        import mlflow

        registry = self._registry or default_registry()
        if registry is None or mlflow.get_tracking_uri() != registry.tracking_uri:
            return
        if mlflow.active_run() is not None:
            mlflow.log_metrics(dict(metrics))


def _witnessed(baselines: list[str | None], improved: list[str | None]) -> bool:
    given = [sum(name is not None for name in names) for names in (baselines, improved)]
    if given == [0, 0]:
        return False
    if given != [1, 1]:
        raise InputError(
            "For a witnessed attestation give one of baseline_run_id and baseline_model_id, and "
            "one of improved_run_id and improved_model_id."
        )
    return True


def _unsigned(
    baseline: Mapping[str, float],
    improved: Mapping[str, float],
    delta: Mapping[str, float],
    contribution: Any,
) -> Attestation:
    """An attestation in the guide's form, by the caller alone."""
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
            "note": "No gateway has seen this. Ask for an attestation when one is in reach.",
        }
    )
