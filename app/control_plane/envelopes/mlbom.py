"""The bill of materials of a model, as CycloneDX 1.6 has it (ECMA-424): an ML-BOM.

It repeats what the registry shows of the model, and is not signed. What is signed it refers to.
"""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.listing import summaries_by_model
from app.control_plane.attestations.schemas import AttestationSummary, EvidenceKind
from app.control_plane.model_files.service import ModelFiles, find_files
from app.control_plane.registry.models import Model
from app.control_plane.registry.service import find_model, require_model
from app.core import json_in_pieces
from app.core.request.principal import Principal
from app.database.engine import now
from app.database.reads import Reads

MEDIA_TYPE = "application/vnd.cyclonedx+json"
# Attestations that it refers to, the newest first.
MOST_ATTESTATIONS = 20
# The distribution of this program.
_TOOL = "hokusai-registry-gateway"
# What each kind of attestation rests on, in words.
EVIDENCE: Mapping[EvidenceKind, str] = {
    "proven": "Counts of an improvement on committed labels, with an arithmetic proof of them",
    "witnessed": "Metrics that the registry has read in MLflow",
    "claimed": "Metrics that a caller has stated",
}
# The identifiers of the parts within a document.
_MODEL, _REGISTRY = "model", "registry"


@dataclass(frozen=True, slots=True)
class Materials:
    """What a bill of materials is made of.

    baseline: None where there is none, or none that the reader may see. attestations: those that
    the reader may see.
    """

    model: Model
    baseline: Model | None
    files: ModelFiles
    attestations: Sequence[AttestationSummary]


async def find_materials(
    session: AsyncSession, reads: Reads, model_id: str, principal: Principal
) -> Materials:
    """What the registry has of a model.

    Raises NotFoundError for one that the principal may not see, or that is none.
    """
    model = await require_model(session, model_id, principal)
    files = await find_files(session, model_id)
    assert files is not None
    baseline = None
    if model.baseline_model_id is not None:
        baseline = await find_model(session, model.baseline_model_id, principal)
    found = await summaries_by_model(reads, [model_id], principal, each=MOST_ATTESTATIONS)
    return Materials(model, baseline, files, [one for one in found[model_id] if not one.is_revoked])


def ml_bom(materials: Materials, address: str) -> str:
    """The document, as JSON. address: the URL of the gateway, for references to it.

    It takes milliseconds, and longer for a model of many files.
    """
    attestations = materials.attestations
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": now().isoformat(timespec="seconds"),
            "tools": {
                "components": [{"type": "application", "name": _TOOL, "version": version(_TOOL)}]
            },
            "component": _model(materials, address),
        },
        "components": [
            {
                "type": "file",
                "bom-ref": f"file:{file.path}",
                "name": file.path,
                "hashes": [{"alg": "SHA-256", "content": file.sha256}],
            }
            for file in materials.files.files
        ],
        "compositions": [
            {
                "aggregate": "complete" if materials.files.state == "witnessed" else "unknown",
                "assemblies": [_MODEL],
            }
        ],
    }
    if attestations:
        document["declarations"] = _declarations(attestations, address)
    return json_in_pieces.dumps(document, ensure_ascii=False)


def _model(materials: Materials, address: str) -> dict[str, Any]:
    model, files, baseline = materials.model, materials.files, materials.baseline
    component = {
        **_identity(model),
        "bom-ref": _MODEL,
        "externalReferences": [*_references(materials, address)],
        "properties": _properties(
            {
                "model_id": model.model_id,
                "kind": model.kind,
                "token_id": model.token_id,
                "files": files.state,
                "files:sha256": files.oms_root,
                "files:sha256_merkle_v1": files.weights,
                "withdrawn": model.withdrawal_reason,
            }
        ),
        "modelCard": _model_card(model),
    }
    if baseline is not None:
        properties = _properties({"model_id": baseline.model_id})
        component["pedigree"] = {"ancestors": [_identity(baseline) | {"properties": properties}]}
    return component


def _identity(model: Model) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "publisher": model.tenant,
        "name": model.mlflow_name,
        "version": model.mlflow_version,
    }


def _references(materials: Materials, address: str) -> Iterator[dict[str, Any]]:
    """Where what is signed about the model can be fetched."""
    model = materials.model
    if materials.files.state == "witnessed" and model.withdrawn_at is None:
        yield {
            "type": "digital-signature",
            "url": f"{address}/api/models/{model.model_id}/model.sig",
            "comment": "OpenSSF Model Signing v1.0, by the key of /.well-known/hokusai.pub",
        }
    for one in materials.attestations:
        yield {
            "type": "attestation",
            "url": f"{address}/api/attestations/{one.hash}/bytes",
            "comment": f"{one.kind}, {one.created_at.isoformat(timespec='seconds')}",
            "hashes": [{"alg": "SHA-256", "content": one.hash}],
        }


def _model_card(model: Model) -> dict[str, Any]:
    card: dict[str, Any] = {
        "quantitativeAnalysis": {
            "performanceMetrics": [
                {"type": name, "value": json.dumps(value)} for name, value in model.metrics.items()
            ]
        },
        "properties": _properties(
            {
                f"metric:{name}:evidence": "witnessed" if source["source"] == "seen" else "claimed"
                for name, source in model.metric_sources.items()
            }
        ),
    }
    parameters: dict[str, Any] = {}
    if model.model_type is not None:
        parameters["task"] = model.model_type
    datasets = [*_datasets(model)]
    if datasets:
        parameters["datasets"] = datasets
    if parameters:
        card["modelParameters"] = parameters
    return card


def _datasets(model: Model) -> Iterator[dict[str, Any]]:
    """The data that contributors gave, and the test set of the benchmark."""
    for share in model.contributors:
        facts = {name: share.get(name) for name in ("weight_bps", "data_size", "data_hash")}
        yield {
            "type": "dataset",
            "name": f"Data contributed by {share['address']}",
            "contents": {"properties": _properties(facts)},
            "governance": {"owners": [{"contact": {"name": share["address"]}}]},
        }
    if model.evaluation is not None:
        benchmark = model.evaluation["benchmark"]
        facts = {name: benchmark[name] for name in ("benchmark_id", "dataset_hash", "rows")}
        yield {
            "type": "dataset",
            "name": benchmark["name"],
            "description": "The test set of the benchmark",
            "contents": {"properties": _properties(facts)},
        }


def _declarations(attestations: Sequence[AttestationSummary], address: str) -> dict[str, Any]:
    """What the registry attests of the model, each with where it can be checked."""
    return {
        "assessors": [
            {"bom-ref": _REGISTRY, "thirdParty": True, "organization": {"name": address}}
        ],
        "claims": [
            {
                "bom-ref": f"claim:{one.hash}",
                "target": _MODEL,
                "predicate": "The model has the attested metrics.",
                "evidence": [f"evidence:{one.hash}"],
            }
            for one in attestations
        ],
        "evidence": [
            {
                "bom-ref": f"evidence:{one.hash}",
                "description": EVIDENCE[one.kind],
                "created": one.created_at.isoformat(timespec="seconds"),
                "data": [
                    {
                        "name": "The attestation",
                        "contents": {"url": f"{address}/api/attestations/{one.hash}"},
                    }
                ],
            }
            for one in attestations
        ],
        "attestations": [
            {
                "summary": f"{one.kind} by the registry",
                "assessor": _REGISTRY,
                "map": [{"claims": [f"claim:{one.hash}"]}],
            }
            for one in attestations
        ],
    }


def _properties(values: Mapping[str, object]) -> list[dict[str, str]]:
    """Named values, in the namespace of the registry; without those that are None."""
    return [
        {"name": f"hokusai:{name}", "value": str(value)}
        for name, value in values.items()
        if value is not None
    ]
