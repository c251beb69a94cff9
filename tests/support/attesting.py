"""The request for an attestation of an improvement."""

from typing import Any

CONTRIBUTOR = "0x742d35Cc6634C0532925a3b844Bc9e7595f62341"


def improvement_request(
    baseline_run_id: str, improved_run_id: str, **members: Any
) -> dict[str, Any]:
    """The body of POST /api/attestations for an improvement from one run to another.

    members: others that the body has, or has in place of those here.
    """
    return {
        "baseline_run_id": baseline_run_id,
        "improved_run_id": improved_run_id,
        "data_contribution": {
            "contributor": CONTRIBUTOR,
            "data_size": 5000,
            "data_hash": "ab" * 32,
            "note": "ünïcode",
        },
        **members,
    }
