"""The data of an attestation: what is hashed and signed."""

from collections.abc import Sequence
from typing import Any

from app.control_plane.attestations.delta_one import default_primary_metric, delta_one
from app.control_plane.attestations.evidence import Evidence
from app.control_plane.attestations.metric_evidence import AttestedModel
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.shares import Share, shares
from app.control_plane.registry.deltas import deltas
from app.control_plane.registry.metric_direction import Direction, improvement_directions
from app.control_plane.registry.metric_names import MAX_METRICS, require_metric_names
from app.core.errors import UnprocessableError
from app.core.request.principal import Principal
from app.database.engine import now

# The integration guide's name for what it attests.
ATTESTATION_TYPE = "performance_improvement"
# How many metrics of a model a message lists.
MAX_LISTED = 20


def attested_data(
    principal: Principal,
    request: AttestationRequest,
    evidence: Evidence,
    issuer: str,
) -> dict[str, Any]:
    """The JSON object to hash, with the integration guide's members and further ones.

    issuer: the attestor's address. Raises UnprocessableError where there is nothing to attest, or
    nothing to compare.
    """
    improved, baseline = evidence.improved, evidence.baseline
    directions = _directions(principal, request, improved.subject, baseline)
    delta = deltas(baseline.values if baseline else {}, improved.values, directions)
    if baseline is not None and not delta:
        raise UnprocessableError(
            f"The two models have no metric in common to compare: {_listed(baseline)}, and "
            f"{_listed(improved)}."
        )
    metrics = delta if baseline else improved.metrics
    require_metric_names(improved.metrics)
    if baseline is not None:
        require_metric_names(baseline.metrics)
        require_metric_names({**baseline.metrics, **improved.metrics}, 2 * MAX_METRICS)
    primary = request.primary_metric or improved.subject.primary_metric
    if primary is not None and primary not in metrics:
        raise UnprocessableError(f"The primary metric {primary} is not one of those attested.")
    primary = primary or default_primary_metric(metrics)
    contributors = _contributors(request, improved.subject)
    if not improved.metrics:
        raise UnprocessableError("There is no metric to attest: the run has no finite metric.")
    return {
        "attestation_type": ATTESTATION_TYPE,
        "kind": evidence.kind,
        **improved.data(),
        "baseline": baseline.data() if baseline else None,
        "delta": {name: one.model_dump() for name, one in delta.items()},
        "primary_metric": primary,
        "delta_one": delta_one(delta.get(primary)) if primary else None,
        "contributors": [share.model_dump() for share in contributors],
        # Of a benchmark, which `evaluated` adds.
        "evaluation": None,
        # Of a proof, which is beside the data.
        "proof_sha256": None,
        "metrics_left_out": sorted({*improved.left_out, *(baseline.left_out if baseline else ())}),
        "tenant": principal.tenant,
        "issuer": issuer,
        "timestamp": now().isoformat(),
    }


def _directions(
    principal: Principal,
    request: AttestationRequest,
    improved: Subject,
    baseline: AttestedModel | None,
) -> dict[str, Direction]:
    """The directions as recorded with the baseline, else with the improved model, else as said."""
    owner = baseline.subject if baseline is not None else improved
    recorded = {**improved.directions, **owner.directions}
    return improvement_directions(
        owner.model_id,
        recorded,
        request.higher_is_better,
        is_own=owner.tenant == principal.tenant,
    )


def _contributors(request: AttestationRequest, improved: Subject) -> tuple[Share, ...]:
    """The contributors of a registered model are those of its registration, and no others."""
    stated = tuple(shares(request.contributions, None)) if request.contributions else None
    if improved.model_id is None:
        return stated or ()
    if stated is not None and not _are_same(stated, improved.shares):
        has = ", ".join(f"{one.address} ({one.weight_bps})" for one in improved.shares[:5])
        raise UnprocessableError(
            f"{improved.model_id} is registered with {has or 'no contributors'}, in basis points, "
            "and an attestation of it cannot name others. Leave data_contribution out; to correct "
            "a registration, withdraw it and register the model anew."
        )
    return improved.shares


def _are_same(stated: Sequence[Share], registered: Sequence[Share]) -> bool:
    """Whether contributions are the registered ones. Size and hash of the data may be left out."""
    if len(stated) != len(registered):
        return False

    def order(share: Share) -> tuple[str, int, str]:
        return share.address, share.weight_bps, share.data_hash or ""

    return all(
        (one.address, one.weight_bps) == (other.address, other.weight_bps)
        and one.data_size in (None, other.data_size)
        and one.data_hash in (None, other.data_hash)
        for one, other in zip(sorted(stated, key=order), sorted(registered, key=order), strict=True)
    )


def _listed(model: AttestedModel) -> str:
    names = sorted(model.metrics)
    listed = ", ".join(names[:MAX_LISTED]) + (", …" if len(names) > MAX_LISTED else "")
    return f"{model.subject.label} has {listed or 'none'}"
