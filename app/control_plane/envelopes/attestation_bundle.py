"""What a bundle of an attestation says: the statement about it, and nothing that may change."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.lookup import find_attestation
from app.control_plane.attestations.models import Attestation
from app.control_plane.attestations.revocation import find_revocation
from app.control_plane.envelopes.sigstore_bundle import Subject, model_name, statement
from app.core.errors import AttestationRevokedError
from app.core.request.principal import Principal

PREDICATE_TYPE = "https://hokus.ai/attestation/improvement/v1"


async def find_statement(
    session: AsyncSession, digest: str, principal: Principal, origin: str
) -> dict[str, Any]:
    """The statement about the attestation with a hash. origin: the name of the log.

    Raises NotFoundError as `find_attestation` does, and AttestationRevokedError.
    """
    row = await find_attestation(session, digest, principal)
    revocation = await find_revocation(session, digest)
    if revocation is not None:
        raise AttestationRevokedError(
            f"The attestation {digest} was revoked: entry {revocation.index} of the log. A bundle "
            "could not say so, and is no longer made. The document is at "
            f"/api/attestations/{digest}."
        )
    return statement_about(row, origin)


def statement_about(row: Attestation, origin: str) -> dict[str, Any]:
    """The statement about an attestation.

    Neither a checkpoint of the log nor a revocation is in it, since both change. Numbers are text,
    as the attestation's bytes write them: programs differ in how they write a number.
    """
    data = json.loads(row.text, parse_float=str, parse_int=str)
    return statement(
        [*_files_of(data), Subject("attestation", row.hash)],
        PREDICATE_TYPE,
        {
            "evidence": row.kind,
            "attestation": data,
            "attestor": row.signature["signer"],
            "log": {"origin": origin, "index": str(row.signature["message"]["nonce"])},
            "eas": {"uid": row.eas["sig"]["uid"]},
        },
    )


def _files_of(data: Mapping[str, Any]) -> list[Subject]:
    """The attested model's files as one subject, if the gateway has read them.

    The digest is the one by which OpenSSF Model Signing refers to a model.
    """
    files = data.get("files")
    if files is None or files["evidence"] != "witnessed":
        return []
    # Files are read of registered models only, which have a name.
    name = model_name(data["tenant"], data["model_name"], data["model_version"])
    return [Subject(name, files["sha256"])]
