"""The `MintRequest` of the Hokusai contracts: the message that their DeltaVerifier accepts."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from eth_hash.auto import keccak

from app.control_plane.attestations import eip712
from app.control_plane.attestations.eip712 import TypedData, Types, fields
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
    PRIMARY_TYPE: fields("uint256 modelId, MintRequestPayload payload, Contributor[] contributors"),
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

_SHA256 = re.compile(r"(?:sha256:|0x)?([0-9a-fA-F]{64})")


# Members of the message whose values are not yet those that the contracts' side computes.
PLACEHOLDERS = (
    "payload.maxCostUsdMicro",
    "payload.actualCostUsdMicro",
    "payload.totalSamples",
    "payload.anchors.benchmarkSpecHash",
    "payload.baselineCommitment",
    "payload.candidateCommitment",
)


def require_mintable(data: Mapping[str, Any]) -> None:
    """Check that an attestation's numbers and contributors allow a mint. data: its data.

    Raises NotMintableError where they do not, and SmallImprovementError for an improvement of less
    than one percentage point.
    """
    if data["kind"] != "witnessed":
        raise NotMintableError(
            "The attestation rests on claimed metrics; only witnessed ones can be minted."
        )
    if data["baseline"] is None or data["primary_metric"] is None:
        raise NotMintableError(
            "The attestation shows no improvement: it needs a baseline and a primary_metric."
        )
    if data["run_id"] is None or data["baseline"]["run_id"] is None:
        raise NotMintableError(
            "A model of the attestation was not made from a run, so that nothing identifies it as "
            "a candidate. Register versions that were made from runs."
        )
    metric: str = data["primary_metric"]
    if data["delta_one"] is None:
        raise NotMintableError(
            f"{metric} is not a proportion between 0 and 1, so its improvement is not in "
            "percentage points."
        )
    # Attestations of earlier releases do not have these members.
    sources = [
        model.get("metric_sources", {}).get(metric, {}) for model in (data, data["baseline"])
    ]
    if any("registered" in source for source in sources):
        raise NotMintableError(
            f"The attestation has another {metric} than was registered (refresh), so the owner of "
            "a run could choose what is minted. Have the registered one attested with refresh: "
            "false, or register the model anew."
        )
    if data["delta"][metric].get("direction", "guessed") == "guessed":
        raise NotMintableError(
            f"Whether a higher or a lower {metric} is better was only guessed, since its name does "
            "not tell. Say it with higher_is_better, when the models are registered."
        )
    if data["delta_one"] < MIN_POINTS:
        raise SmallImprovementError(
            f"{metric} improves by {data['delta_one']:g} percentage points; minting needs at least "
            f"{MIN_POINTS}.",
            extra={"delta_one": data["delta_one"], "required": MIN_POINTS},
        )
    if sum(share["weight_bps"] for share in data["contributors"]) != WHOLE:
        raise NotMintableError(
            "The attestation has no contributors whose weights add up to 10000 basis points."
        )


def build_mint_request(
    chain: Chain, digest: str, data: Mapping[str, Any], model_number: int, deadline: datetime
) -> TypedData:
    """The unsigned mint request that an attestation entitles to.

    digest, data: of the attestation, which `require_mintable` accepts; its hash in 64 hexadecimal
    digits. model_number: the model's number on the chain. deadline: until when the contract accepts
    the request.
    """
    metric: str = data["primary_metric"]
    delta = data["delta"][metric]
    baseline, candidate = _commitment(data["baseline"]), _commitment(data)
    anchors = {
        "benchmarkSpecHash": _text_hash(
            f"{metric}:{'up' if delta['higher_is_better'] else 'down'}"
        ),
        "datasetHash": _dataset_hash(data["contributors"]),
        "attestationHash": f"0x{digest}",
        "idempotencyKey": idempotency_key(model_number, baseline, candidate, metric),
        "metricName": metric,
        "metricFamily": METRIC_FAMILY,
    }
    return TypedData(
        domain=eip712.domain(NAME, VERSION, chain.id, chain.contract),
        types=TYPES,
        primary_type=PRIMARY_TYPE,
        message={
            "modelId": model_number,
            "payload": {
                "pipelineRunId": data["run_id"],
                "baselineScoreBps": _score(delta["baseline"], delta["higher_is_better"]),
                "candidateScoreBps": _score(delta["improved"], delta["higher_is_better"]),
                "maxCostUsdMicro": 0,
                "actualCostUsdMicro": 0,
                "totalSamples": sum(item["data_size"] or 0 for item in data["contributors"]),
                "anchors": anchors,
                "baselineCommitment": baseline,
                "candidateCommitment": candidate,
                "deadline": int(deadline.timestamp()),
            },
            "contributors": _contributors(data["contributors"]),
        },
    )


def idempotency_key(model_number: int, baseline: str, candidate: str, metric: str) -> str:
    """The key under which the contract accepts one improvement once: 0x and 64 digits.

    It follows from the improvement, not from its attestation, of which there can be several.
    """
    return _text_hash(f"hokusai:mint:{model_number}:{baseline}:{candidate}:{metric}")


def _contributors(shares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each wallet once with the sum of its weights: it may have contributed several data sets."""
    weights: dict[str, int] = {}
    for share in shares:
        weights[share["address"]] = weights.get(share["address"], 0) + share["weight_bps"]
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


def _commitment(model: Mapping[str, Any]) -> str:
    """What stands for a model, as the candidate of one request and the baseline of the next.

    It follows from the run, whose metrics are compared: one run that is registered twice, under two
    model ids, is one candidate.
    """
    return _text_hash(model["run_id"])


def _text_hash(text: str) -> str:
    return f"0x{keccak(text.encode()).hex()}"
