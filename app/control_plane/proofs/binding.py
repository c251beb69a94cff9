"""What a proof is bound to, so that it is of no use for anything else.

Every part is in the attestation itself, so that everybody who reads it can compute the binding.
`hokusai.verify` and `@hokusai/verify` have the same function, and know version 1 as well, which had
no `list_sha256`.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from app.core import canonical_json

# The order of BN254's groups, in which public inputs are numbers.
ORDER: Final = 21888242871839275222246405745257275088548364400416034343698204186575808495617
_TAG: Final = b"hokusai-binding-v2\n"
_DIGESTS: Final = ("sha256", "sha256_merkle_v1", "list_sha256")


def bound_parts(data: Mapping[str, Any], chain_id: int) -> dict[str, Any]:
    """The parts of an attestation's data that its proof is bound to."""
    benchmark = data["evaluation"]["benchmark"]
    return {
        "benchmark_id": benchmark["benchmark_id"],
        "label_commitment": benchmark["label_commitment"],
        "baseline": _model(data["baseline"]),
        "improved": _model(data),
        "contributors": [
            {name: one[name] for name in ("address", "weight_bps", "data_hash")}
            for one in data["contributors"]
        ],
        "chain_id": chain_id,
    }


def binding_of(parts: Mapping[str, Any]) -> int:
    """SHA-256 of the tag and the parts in canonical form, reduced to a scalar."""
    digest = hashlib.sha256(_TAG + canonical_json.canonicalize(parts).encode()).digest()
    return int.from_bytes(digest, "big") % ORDER


def _model(data: Mapping[str, Any]) -> dict[str, Any]:
    files = data["files"]
    digests = files and {name: files[name] for name in _DIGESTS}
    return {"model_id": data["model_id"], "files": digests}
