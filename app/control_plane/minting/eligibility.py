"""Which attestations entitle to a mint: their numbers and contributors, and what they rest on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.control_plane.contributors.shares import WHOLE
from app.core.errors import (
    MintEvidenceMissingError,
    NotAcceptedError,
    NotMintableError,
    SmallImprovementError,
)

# The smallest improvement that mints ("DeltaOne"), in percentage points.
MIN_POINTS = 1
# The most wallets in a message that the platform takes.
MAX_WALLETS = 100
_HOW_FILES = (
    "The gateway reads a model's files once it is registered; GET /api/models/{model_id}/files has "
    "their state. When they are witnessed, have the improvement attested anew, with a new "
    "Idempotency-Key."
)
_HOW_EVALUATION = (
    "The holder of the token registers a benchmark (POST /api/benchmarks). Register the improved "
    "model, or have it attested, with its benchmark_id and the counts or scores in evaluation."
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an attestation's mint rests on besides its metrics.

    baseline, candidate: the commitments to the weights of both models (`sha256-merkle-v1`), 0x and
        64 hexadecimal digits. evaluation: the member of that name of the attestation's data.
    """

    baseline: str
    candidate: str
    evaluation: Mapping[str, Any]

    @property
    def benchmark(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.evaluation["benchmark"]
        return found


def require_mintable(data: Mapping[str, Any]) -> None:
    """Check that an attestation's numbers and contributors allow a mint. data: its data.

    Raises NotMintableError where they do not, and SmallImprovementError for an improvement of less
    than one percentage point.
    """
    if data["kind"] not in ("witnessed", "proven"):
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
    if metric != metric.strip():
        raise NotMintableError(
            f"The name of the metric {metric!r} begins or ends with white space, "
            "which the platform removes before it signs."
        )
    if len({share["address"] for share in data["contributors"]}) > MAX_WALLETS:
        raise NotMintableError(
            f"The attestation has more than {MAX_WALLETS} contributors' wallets, and a mint is for "
            f"{MAX_WALLETS} at most."
        )


def require_evidence(data: Mapping[str, Any]) -> Evidence:
    """What the attestation rests on. data: of one that `require_mintable` accepts.

    Raises MintEvidenceMissingError, which lists all that is missing and how it is obtained,
    NotMintableError where both models have the same weights, and NotAcceptedError for an evaluation
    that does not accept the improvement.
    """
    missing = {
        name: text
        for name, text in {
            "baseline.files": _lacks_files(data["baseline"], "baseline"),
            "files": _lacks_files(data, "improved model"),
            "evaluation": _lacks_evaluation(data),
        }.items()
        if text is not None
    }
    if missing:
        raise MintEvidenceMissingError(
            " ".join(missing.values()),
            extra={"missing": [{"member": name, "detail": missing[name]} for name in missing]},
        )
    baseline, candidate = (
        f"0x{model['files']['sha256_merkle_v1']}" for model in (data["baseline"], data)
    )
    if baseline == candidate:
        raise NotMintableError(
            f"The improved model has the weights of its baseline ({baseline}): it is the same "
            "model, and nothing improved."
        )
    evaluation = data["evaluation"]
    acceptance = evaluation["acceptance"]
    if acceptance["ci_low_bps"] is None:
        family = evaluation["benchmark"]["metric_family"]
        raise NotMintableError(
            f"{evaluation['benchmark']['metric']} is of the family {family}, whose test has no "
            "confidence interval, and a mint request states one. The holder of the token registers "
            "a benchmark of another family."
        )
    if not acceptance["accepted"]:
        raise NotAcceptedError(
            f"The improvement is not accepted on {evaluation['benchmark']['benchmark_id']}: "
            f"{acceptance['reason']}. It has to be at least one percentage point, with the lower "
            f"bound of its 95 % confidence interval above zero, and is "
            f"{acceptance['effect_size_bps']} basis points, from {acceptance['ci_low_bps']} to "
            f"{acceptance['ci_high_bps']}.",
            extra={"acceptance": dict(acceptance)},
        )
    return Evidence(baseline, candidate, evaluation)


def _lacks_files(model: Mapping[str, Any], which: str) -> str | None:
    """What is missing of a model's files; None where they are witnessed.

    Attestations of earlier releases do not have the member.
    """
    files = model.get("files")
    how = _HOW_FILES.format(model_id=model["model_id"])
    if files is None:
        return f"The attestation names no files of the {which}. {how}"
    if files["evidence"] != "witnessed":
        return f"The files of the {which} are only {files['evidence']}. {how}"
    if files["sha256_merkle_v1"] is None:
        return (
            f"The {which} has no files that are weights: MLmodel and metadata/ alone are not. "
            "Register a model that was logged with its weights."
        )
    return None


def _lacks_evaluation(data: Mapping[str, Any]) -> str | None:
    evaluation = data.get("evaluation")
    metric, direction = data["primary_metric"], data["delta"][data["primary_metric"]]
    if evaluation is None:
        return f"The attestation has no evaluation on a benchmark. {_HOW_EVALUATION}"
    benchmark = evaluation["benchmark"]
    if benchmark["metric"] != metric:
        return (
            f"The evaluation is by {benchmark['metric']}, and the token's metric is {metric}. "
            f"{_HOW_EVALUATION}"
        )
    if benchmark["higher_is_better"] != direction["higher_is_better"]:
        return (
            f"The benchmark {benchmark['benchmark_id']} says of {metric} that it improves the "
            f"other way than the models' registrations do. {_HOW_EVALUATION}"
        )
    return None
