"""The `MintRequest` of the Hokusai contracts: the message that their DeltaVerifier accepts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from eth_hash.auto import keccak

from app.control_plane.attestations.eip712 import TypedData, Types, fields
from app.control_plane.contributors.shares import WHOLE
from app.control_plane.minting.eligibility import Evidence

NAME = "HokusaiDeltaVerifier"
VERSION = "1"
PRIMARY_TYPE = "MintRequest"
TYPES = Types(
    {
        PRIMARY_TYPE: fields(
            "uint256 modelId, MintRequestPayload payload, Contributor[] contributors"
        ),
        "MintRequestPayload": fields(
            "string pipelineRunId, uint256 baselineScoreBps, uint256 candidateScoreBps, "
            "uint256 maxCostUsdMicro, uint256 actualCostUsdMicro, uint256 totalSamples, "
            "BenchmarkAnchors anchors, bytes32 baselineCommitment, bytes32 candidateCommitment, "
            "uint256 deadline"
        ),
        "BenchmarkAnchors": fields(
            "bytes32 benchmarkSpecHash, bytes32 datasetHash, bytes32 attestationHash, "
            "bytes32 idempotencyKey, string metricName, string metricFamily"
        ),
        "Contributor": fields("address walletAddress, uint256 weight"),
    }
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an evaluation may cost, and what it cost, in millionths of a US dollar; 0: not known."""

    budget: int = 0
    actual: int = 0


def build_mint_request(
    domain: Mapping[str, Any],
    attestation: str,
    data: Mapping[str, Any],
    evidence: Evidence,
    model_number: int,
    key: str,
    cost: Cost,
    deadline: datetime,
) -> TypedData:
    """The unsigned mint request that an attestation entitles to.

    domain: the EIP-712 domain of the contract, of `NAME` and `VERSION`.
    attestation: the hash of the attestation that the message names, 64 hexadecimal digits. data: of
    an attestation that `require_mintable` accepts. model_number: the model's number on the chain.
    key: see `idempotency_key`. deadline: until when the contract accepts the request.
    """
    metric: str = data["primary_metric"]
    delta = data["delta"][metric]
    benchmark = evidence.benchmark
    anchors = {
        "benchmarkSpecHash": f"0x{keccak(benchmark['benchmark_id'].encode()).hex()}",
        "datasetHash": f"0x{benchmark['dataset_hash']}",
        "attestationHash": f"0x{attestation}",
        "idempotencyKey": key,
        "metricName": metric,
        "metricFamily": benchmark["metric_family"],
    }
    return TypedData(
        domain=dict(domain),
        types=TYPES,
        primary_type=PRIMARY_TYPE,
        message={
            "modelId": model_number,
            "payload": {
                "pipelineRunId": data["run_id"],
                "baselineScoreBps": score(delta["baseline"], delta["higher_is_better"]),
                "candidateScoreBps": score(delta["improved"], delta["higher_is_better"]),
                "maxCostUsdMicro": cost.budget,
                "actualCostUsdMicro": cost.actual,
                "totalSamples": evidence.evaluation["improved"]["sample_size"],
                "anchors": anchors,
                "baselineCommitment": evidence.baseline,
                "candidateCommitment": evidence.candidate,
                "deadline": int(deadline.timestamp()),
            },
            "contributors": _contributors(data["contributors"]),
        },
    )


def idempotency_key(model_number: int, attestation: str) -> str:
    """The platform's key, under which the contract accepts one improvement once: 0x and 64 digits.

    attestation: the hash of the first attestation for which the mint of the improvement was signed,
    64 hexadecimal digits. The improvement keeps the key, whichever attestation is named later.
    """
    return f"0x{hashlib.sha256(f'{model_number}:{attestation}'.encode()).hexdigest()}"


def score(value: float, higher_is_better: bool) -> int:
    """A proportion in basis points, rounded half to even, turned so that higher is better."""
    exact = Decimal(repr(value))
    turned = exact if higher_is_better else 1 - exact
    return int((turned * WHOLE).to_integral_value(ROUND_HALF_EVEN))


def _contributors(shares: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each wallet once with the sum of its weights: it may have contributed several data sets."""
    weights: dict[str, int] = {}
    for share in shares:
        weights[share["address"]] = weights.get(share["address"], 0) + share["weight_bps"]
    return [{"walletAddress": address, "weight": weight} for address, weight in weights.items()]
