"""The chain side's `MintRequest`: what its DeltaVerifier takes as proof of an improvement."""

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
# In percentage points: the least improvement that counts ("DeltaOne").
LEAST_POINTS = 1
METRIC_FAMILY = "proportion"
TYPES: Types = {
    "MintRequest": [
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


def mint_request(
    chain: Chain, digest: str, data: Mapping[str, Any], model: int | None, deadline: datetime
) -> TypedData:
    """The request that an attestation's data entitles to, unsigned.

    digest: the attestation's hash, 64 hexadecimal digits. model: the model's number on the chain,
    derived from its id here where it is not given. deadline: until when it can be submitted.
    Raises NotMintableError where numbers, contributors or the metric do not fit, and
    SmallImprovementError below one percentage point.
    """
    if data["kind"] != "witnessed":
        raise NotMintableError(
            "The attestation rests on claimed numbers; only witnessed ones count."
        )
    if data["baseline"] is None or data["primary_metric"] is None:
        raise NotMintableError(
            "The attestation shows no improvement: it needs a baseline and a primary_metric."
        )
    metric: str = data["primary_metric"]
    if data["delta_one"] is None:
        raise NotMintableError(
            f"{metric} is no proportion between 0 and 1, so it has no percentage points."
        )
    if data["delta_one"] < LEAST_POINTS:
        raise SmallImprovementError(
            f"{metric} improves by {data['delta_one']:g} percentage points; a mint takes at least "
            f"{LEAST_POINTS}.",
            extra={"delta_one": data["delta_one"], "required": LEAST_POINTS},
        )
    contributors = _contributors(data["contributors"])
    delta = data["delta"][metric]
    anchors = {
        "benchmarkSpecHash": _text_hash(
            f"{metric}:{'up' if delta['higher_is_better'] else 'down'}"
        ),
        "datasetHash": _dataset(data["contributors"]),
        "attestationHash": f"0x{digest}",
        # One attestation mints once, however often it is asked for.
        "idempotencyKey": _text_hash(f"hokusai:mint:{digest}"),
        "metricName": metric,
        "metricFamily": METRIC_FAMILY,
    }
    subject = _identity(data)
    return TypedData(
        domain=eip712.domain(NAME, VERSION, chain.id, chain.contract),
        types=TYPES,
        primary_type="MintRequest",
        message={
            "modelId": _number(data["model_name"] or subject) if model is None else model,
            "payload": {
                "pipelineRunId": data["run_id"] or "",
                "baselineScoreBps": _score(delta["baseline"], delta["higher_is_better"]),
                "candidateScoreBps": _score(delta["improved"], delta["higher_is_better"]),
                "maxCostUsdMicro": 0,
                "actualCostUsdMicro": 0,
                "totalSamples": sum(item["data_size"] or 0 for item in data["contributors"]),
                "anchors": anchors,
                "baselineCommitment": _text_hash(_identity(data["baseline"])),
                "candidateCommitment": _text_hash(subject),
                "deadline": int(deadline.timestamp()),
            },
            "contributors": contributors,
        },
    )


def _contributors(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each wallet once, with all its weight: one may have given several data sets."""
    weights: dict[str, int] = {}
    for item in given:
        weights[item["address"]] = weights.get(item["address"], 0) + item["weight_bps"]
    if sum(weights.values()) != WHOLE:
        raise NotMintableError(
            "The attestation names no contributors whose weights make 10000 basis points."
        )
    return [{"walletAddress": address, "weight": weight} for address, weight in weights.items()]


def _score(value: float, higher_is_better: bool) -> int:
    """A proportion in basis points, rounded down; the chain's scores all improve upwards."""
    score = Decimal(repr(value))
    return int((score if higher_is_better else 1 - score) * WHOLE)


def _dataset(contributors: list[dict[str, Any]]) -> str:
    """The data's own SHA-256 where there is one data set, else a hash of all their hashes."""
    hashes = [item["data_hash"] or "" for item in contributors]
    match = _SHA256.fullmatch(hashes[0])
    if len(hashes) == 1 and match is not None:
        return f"0x{match[1].lower()}"
    return _text_hash("\n".join(hashes))


def _identity(side: Mapping[str, Any]) -> str:
    """What a model is known by: what is one's candidate is the same as another's baseline."""
    return str(side["model_id"] or side["run_id"])


def _number(name: str) -> int:
    return int.from_bytes(keccak(name.encode()), "big")


def _text_hash(text: str) -> str:
    return f"0x{keccak(text.encode()).hex()}"
