"""A mint request as the message that the Hokusai platform's minting service takes, version 1.0."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from app.control_plane.contributors.shares import WHOLE
from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.signer_set import Signature

MESSAGE_TYPE = "mint_request"
SCHEMA_VERSION = "1.0"


def platform_message(
    row: MintRequest, signatures: Sequence[Signature], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The message.

    signatures: those that count, in the contract's order. data: of the attestation it names.

    The same mint request has the same `message_id`.
    """
    message = row.typed_data["message"]
    payload = message["payload"]
    anchors = payload["anchors"]
    return {
        "message_type": MESSAGE_TYPE,
        "schema_version": SCHEMA_VERSION,
        "message_id": str(uuid.uuid5(uuid.NAMESPACE_OID, row.digest)),
        "timestamp": row.signed_at.isoformat(),
        "model_id": row.model_id,
        "model_id_uint": message["modelId"],
        "eval_id": payload["pipelineRunId"],
        "benchmark_spec_id": data["evaluation"]["benchmark"]["benchmark_id"],
        "dataset_hash": anchors["datasetHash"],
        "attestation_hash": anchors["attestationHash"],
        "idempotency_key": anchors["idempotencyKey"],
        "baseline_commitment": payload["baselineCommitment"],
        "candidate_commitment": payload["candidateCommitment"],
        "attester_signatures": [one["signature"] for one in signatures],
        "totalSamples": payload["totalSamples"],
        "deadline": payload["deadline"],
        "evaluation": _evaluation(payload, data["evaluation"]),
        "contributors": [
            {"wallet_address": one["walletAddress"].lower(), "weight_bps": one["weight"]}
            for one in message["contributors"]
        ],
    }


def _evaluation(payload: Mapping[str, Any], evaluation: Mapping[str, Any]) -> dict[str, Any]:
    acceptance = evaluation["acceptance"]
    anchors = payload["anchors"]
    return {
        "metric_name": anchors["metricName"],
        "metric_family": anchors["metricFamily"],
        "baseline_score_bps": payload["baselineScoreBps"],
        "new_score_bps": payload["candidateScoreBps"],
        "max_cost_usd_micro": payload["maxCostUsdMicro"],
        "actual_cost_usd_micro": payload["actualCostUsdMicro"],
        "sample_size_baseline": evaluation["baseline"]["sample_size"],
        "sample_size_candidate": evaluation["improved"]["sample_size"],
        "ci_low_bps": acceptance["ci_low_bps"],
        # An interval of this method can end above 100 %, which the platform's schema does not take.
        "ci_high_bps": min(acceptance["ci_high_bps"], WHOLE),
        "p_value": acceptance["p_value"],
        "effect_size_bps": acceptance["effect_size_bps"],
        "statistical_method": acceptance["statistical_method"],
        "statistical_reason": acceptance["reason"],
    }
