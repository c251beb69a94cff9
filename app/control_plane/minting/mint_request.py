"""The `MintRequest` of the Hokusai contracts: the message that their DeltaVerifier accepts."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from eth_hash.auto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData, Types
from app.control_plane.attestations.signing_key import Chain
from app.control_plane.contributors.shares import WHOLE
from app.core.errors import NotMintableError, SmallImprovementError

NAME = "HokusaiDeltaVerifier"
VERSION = "1"
# The smallest improvement that mints ("DeltaOne"), in percentage points.
MIN_POINTS = 1
METRIC_FAMILY = "proportion"
PRIMARY_TYPE = "MintRequest"
TYPES: Types = {
    PRIMARY_TYPE: [
        {"name": "modelId", "type": "uint256"},
        {"name": "payload", "type": "MintRequestPayload"},
        {"name": "contributors", "type": "Contributor[]"},
    ],
    "MintRequestPayload": [
        {"name": "pipelineRunId", "type": "string"},
        {"name": "baselineScoreBps", "type": "uint256"},
        {"name": "candidateScoreBps", "type": "uint256"},
        {"name": "maxCostUsdMicro", "type": "uint256"},
        {"name": "actualCostUsdMicro", "type": "uint256"},
        {"name": "totalSamples", "type": "uint256"},
        {"name": "anchors", "type": "BenchmarkAnchors"},
        {"name": "baselineCommitment", "type": "bytes32"},
        {"name": "candidateCommitment", "type": "bytes32"},
        {"name": "deadline", "type": "uint256"},
    ],
    "BenchmarkAnchors": [
        {"name": "benchmarkSpecHash", "type": "bytes32"},
        {"name": "datasetHash", "type": "bytes32"},
        {"name": "attestationHash", "type": "bytes32"},
        {"name": "idempotencyKey", "type": "bytes32"},
        {"name": "metricName", "type": "string"},
        {"name": "metricFamily", "type": "string"},
    ],
    "Contributor": [
        {"name": "walletAddress", "type": "address"},
        {"name": "weight", "type": "uint256"},
    ],
}

_SHA256 = re.compile(r"(?:sha256:|0x)?([0-9a-fA-F]{64})")


def build_mint_request(
    chain: Chain,
    digest: str,
    data: Mapping[str, Any],
    chain_model_id: int | None,
    deadline: datetime,
) -> TypedData:
    """The unsigned mint request that an attestation entitles to.

    digest, data: of the attestation; its hash in 64 hexadecimal digits. chain_model_id: the model's
    number on the chain; None derives it from the model's name. deadline: until when the contract
    accepts the request.

    Raises NotMintableError where the attestation's numbers, metric or contributors do not allow
    it, and SmallImprovementError for an improvement of less than one percentage point.
    """
    if data["kind"] != "witnessed":
        raise NotMintableError(
            "The attestation rests on claimed metrics; only witnessed ones can be minted."
        )
    if data["baseline"] is None or data["primary_metric"] is None:
        raise NotMintableError(
            "The attestation shows no improvement: it needs a baseline and a primary_metric."
        )
    metric: str = data["primary_metric"]
    if data["delta_one"] is None:
        raise NotMintableError(
            f"{metric} is not a proportion between 0 and 1, so its improvement is not in "
            "percentage points."
        )
    if data["delta_one"] < MIN_POINTS:
        raise SmallImprovementError(
            f"{metric} improves by {data['delta_one']:g} percentage points; minting needs at least "
            f"{MIN_POINTS}.",
            extra={"delta_one": data["delta_one"], "required": MIN_POINTS},
        )
    contributors = _contributors(data["contributors"])
    delta = data["delta"][metric]
    anchors = {
        "benchmarkSpecHash": _text_hash(
            f"{metric}:{'up' if delta['higher_is_better'] else 'down'}"
        ),
        "datasetHash": _dataset_hash(data["contributors"]),
        "attestationHash": f"0x{digest}",
        # The same for every request of one attestation, so that it mints once.
        "idempotencyKey": _text_hash(f"hokusai:mint:{digest}"),
        "metricName": metric,
        "metricFamily": METRIC_FAMILY,
    }
    identity = _identity(data)
    if chain_model_id is None:
        chain_model_id = _derived_model_id(data["model_name"] or identity)
    return TypedData(
        domain=eip712.domain(NAME, VERSION, chain.id, chain.contract),
        types=TYPES,
        primary_type=PRIMARY_TYPE,
        message={
            "modelId": chain_model_id,
            "payload": {
                "pipelineRunId": data["run_id"] or "",
                "baselineScoreBps": _score(delta["baseline"], delta["higher_is_better"]),
                "candidateScoreBps": _score(delta["improved"], delta["higher_is_better"]),
                "maxCostUsdMicro": 0,
                "actualCostUsdMicro": 0,
                "totalSamples": sum(item["data_size"] or 0 for item in data["contributors"]),
                "anchors": anchors,
                "baselineCommitment": _text_hash(_identity(data["baseline"])),
                "candidateCommitment": _text_hash(identity),
                "deadline": int(deadline.timestamp()),
            },
            "contributors": contributors,
        },
    )


def _contributors(shares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each wallet once with the sum of its weights: it may have contributed several data sets."""
    weights: dict[str, int] = {}
    for share in shares:
        weights[share["address"]] = weights.get(share["address"], 0) + share["weight_bps"]
    if sum(weights.values()) != WHOLE:
        raise NotMintableError(
            "The attestation has no contributors whose weights add up to 10000 basis points."
        )
    return [{"walletAddress": address, "weight": weight} for address, weight in weights.items()]


def _score(value: float, higher_is_better: bool) -> int:
    """A proportion in basis points, rounded down, turned so that higher is better."""
    score = Decimal(repr(value))
    return int((score if higher_is_better else 1 - score) * WHOLE)


def _dataset_hash(shares: list[dict[str, Any]]) -> str:
    """The SHA-256 of the data set if there is one; else a hash of the hashes of all data sets."""
    hashes = [share["data_hash"] or "" for share in shares]
    match = _SHA256.fullmatch(hashes[0])
    if len(hashes) == 1 and match is not None:
        return f"0x{match[1].lower()}"
    return _text_hash("\n".join(hashes))


def _identity(model: Mapping[str, Any]) -> str:
    """What identifies a model both as the candidate of one request and the baseline of the next."""
    return str(model["model_id"] or model["run_id"])


def _derived_model_id(name: str) -> int:
    return int.from_bytes(keccak(name.encode()), "big")


def _text_hash(text: str) -> str:
    return f"0x{keccak(text.encode()).hex()}"
