"""The data of an attestation: what is hashed and signed."""

from typing import Any

from app.control_plane.attestations.delta_one import default_primary_metric, delta_one
from app.control_plane.attestations.evidence import AttestedModel
from app.control_plane.attestations.schemas import AttestationRequest
from app.control_plane.attestations.subjects import Subject
from app.control_plane.contributors.shares import shares
from app.control_plane.registry.deltas import deltas
from app.control_plane.registry.metric_direction import Direction, improvement_directions
from app.control_plane.registry.metric_names import MAX_METRICS, require_metric_names
from app.core.errors import UnprocessableError
from app.core.request.principal import Principal
from app.database.engine import now

# The integration guide's name for what it attests.
ATTESTATION_TYPE = "performance_improvement"


def attested_data(
    principal: Principal,
    request: AttestationRequest,
    improved: AttestedModel,
    baseline: AttestedModel | None,
    issuer: str,
) -> dict[str, Any]:
    """The JSON object to hash, with the integration guide's members and further ones.

    issuer: the attestor's address. Raises UnprocessableError where there is nothing to attest, or
    nothing to compare.
    """
    directions = _directions(principal, request, improved.subject, baseline)
    delta = deltas(baseline.metrics if baseline else {}, improved.metrics, directions)
    if baseline is not None and not delta:
        raise UnprocessableError("The two models have no metric in common to compare.")
    metrics = delta if baseline else improved.metrics
    require_metric_names(improved.metrics)
    if baseline is not None:
        require_metric_names(baseline.metrics)
        require_metric_names({**baseline.metrics, **improved.metrics}, 2 * MAX_METRICS)
    primary = request.primary_metric or improved.subject.primary_metric
    if primary is not None and primary not in metrics:
        raise UnprocessableError(f"The primary metric {primary} is not one of those attested.")
    primary = primary or default_primary_metric(metrics)
    contributors = improved.subject.shares
    if request.contributions:
        contributors = tuple(shares(request.contributions, None))
    if not improved.metrics:
        raise UnprocessableError("There is no metric to attest: the run has no finite metric.")
    return {
        "attestation_type": ATTESTATION_TYPE,
        "kind": request.kind,
        **improved.data(),
        "baseline": baseline.data() if baseline else None,
        "delta": {name: one.model_dump() for name, one in delta.items()},
        "primary_metric": primary,
        "delta_one": delta_one(delta.get(primary)) if primary else None,
        "contributors": [share.model_dump() for share in contributors],
        "metrics_left_out": sorted(
            {*improved.not_finite, *(baseline.not_finite if baseline else ())}
        ),
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
