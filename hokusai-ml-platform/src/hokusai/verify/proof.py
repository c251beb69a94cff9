"""The proof of an attestation of the kind `proven`: that it holds, and for what was attested."""

from __future__ import annotations

import hashlib
from typing import Any, Container, Mapping

from hokusai.errors import ProofError
from hokusai.verify.json_fields import (
    CheckFailed,
    NotChecked,
    integer_at,
    list_at,
    member,
    object_at,
    text_at,
)
from hokusai.verify.strict_json import canonical_json, equal_json
from hokusai.zk.field import R
from hokusai.zk.proof import Proof
from hokusai.zk.shares import SHARES, shown

# What a proof is bound to has a version, which the attestation does not name. Version 1 has no
# digest of the list of a model's files, and so does not bind the names of files.
_TAGS = {1: b"hokusai-binding-v1\n", 2: b"hokusai-binding-v2\n"}


def proof_digest(proof: Any) -> str:
    """The SHA-256 of a proof in its canonical form, which the attested data has."""
    return hashlib.sha256(canonical_json(proof).encode()).hexdigest()


def bound_parts(data: Mapping[str, Any], chain_id: int, version: int = 2) -> dict[str, Any]:
    """The parts of an attestation's data that its proof is bound to.

    Raises:
        CheckFailed: A part is missing.
    """
    benchmark = object_at(data, "evaluation", "benchmark")
    return {
        "benchmark_id": text_at(benchmark, "benchmark_id"),
        "label_commitment": text_at(benchmark, "label_commitment"),
        "baseline": _model(object_at(data, "baseline"), version),
        "improved": _model(data, version),
        "contributors": [
            {name: member(one, name) for name in ("address", "weight_bps", "data_hash")}
            for one in list_at(data, "contributors")
        ],
        "chain_id": chain_id,
    }


def binding_of(parts: Mapping[str, Any], version: int = 2) -> int:
    """The scalar that a proof is bound by: SHA-256 of the tag and the parts' canonical form."""
    digest = hashlib.sha256(_TAGS[version] + canonical_json(parts).encode()).digest()
    return int.from_bytes(digest, "big") % R


def check_proof(
    document: Mapping[str, Any], data: Mapping[str, Any], circuits: Container[str]
) -> str:
    """Check a proof against the attested data.

    Args:
        document: The attestation.
        data: What its hashed bytes say.
        circuits: The identifiers of the circuits that the caller trusts.

    Returns:
        What the proof shows.

    Raises:
        CheckFailed: It does not hold, or not for this attestation.
        NotChecked: It holds, but for a circuit that the caller has not named.
        DocumentError: It cannot be read.
    """
    proof = Proof.from_json(object_at(document, "proof"))
    evaluation = object_at(data, "evaluation")
    chain_id = integer_at(document, "signature", "domain", "chainId")
    bindings = {
        version: binding_of(bound_parts(data, chain_id, version), version) for version in _TAGS
    }
    is_first = proof.shared["binding"] == bindings[1]
    expected = {
        "rows": integer_at(evaluation, "benchmark", "rows"),
        "labels": _commitment(evaluation, "benchmark", "label_commitment"),
        "baseline": _commitment(evaluation, "predictions", "baseline", "commitment"),
        "improved": _commitment(evaluation, "predictions", "improved", "commitment"),
        "binding": bindings[1 if is_first else 2],
    }
    for name, value in expected.items():
        if proof.shared[name] != value:
            raise CheckFailed(f"the proof is for something else: {name} is not what was attested")
    stated = {name: evaluation.get(name) for name in ("baseline", "improved", "discordant")}
    cells = list(proof.counts.values())
    metric = evaluation["benchmark"].get("metric")
    # Gateways know further names of metrics, for which any share is taken.
    of_metric = [share for share in SHARES if metric in share.names] or SHARES
    if not any(equal_json(shown(proof.key.statement, cells, share), stated) for share in of_metric):
        raise CheckFailed("the attested counts do not follow from those of the proof")
    try:
        proof.check({proof.key.circuit})
    except ProofError as error:
        raise CheckFailed(str(error)) from None
    key = proof.key
    if key.circuit not in circuits:
        raise NotChecked(
            f"the proof holds for circuit {key.circuit} (setup: {key.setup}), but you have not "
            "named that circuit to trust"
        )
    counts = [evaluation[name]["successes"] for name in ("baseline", "improved")]
    said = (
        f"{counts[0]} and {counts[1]} rows are proven for committed labels and predictions of "
        f"{expected['rows']} rows (setup: {key.setup})"
    )
    if is_first and any(member(model, "files") for model in (data, data["baseline"])):
        said += "; the proof does not bind the names of the models' files"
    return said


def _model(data: Mapping[str, Any], version: int) -> dict[str, Any]:
    files = member(data, "files")
    if files is not None:
        digests: dict[str, str | None] = {
            name: text_at(files, name) for name in ("sha256", "sha256_merkle_v1")
        }
        if version > 1:
            has_list = files.get("list_sha256") is not None
            digests["list_sha256"] = text_at(files, "list_sha256") if has_list else None
        files = digests
    return {"model_id": text_at(data, "model_id"), "files": files}


def _commitment(data: Mapping[str, Any], *path: str) -> int:
    text = text_at(data, *path)
    if len(text) != 64 or not set(text) <= set("0123456789abcdef"):
        raise CheckFailed(f"{'.'.join(path)} is not 64 hexadecimal digits")
    return int(text, 16)
