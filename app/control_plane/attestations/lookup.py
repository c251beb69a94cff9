"""Finding attestations: by hash, by model, by contributor."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.attestations.models import Attestation
from app.core.errors import NotFoundError, PermissionDeniedError
from app.core.request.principal import Principal, Scope


async def find_attestation(session: AsyncSession, digest: str, principal: Principal) -> Attestation:
    """The attestation with a hash.

    Raises NotFoundError where there is none, or another tenant's of a private model.
    """
    row = await session.get(Attestation, digest)
    if row is None or (row.private and row.tenant != principal.tenant):
        raise NotFoundError(f"There is no attestation {digest}.")
    return row


async def find_own_attestation(
    session: AsyncSession, digest: str, principal: Principal
) -> Attestation:
    """The attestation with a hash, for its own tenant or an admin.

    Raises NotFoundError as `find_attestation` does, and PermissionDeniedError for another tenant's.
    """
    row = await find_attestation(session, digest, principal)
    if row.tenant != principal.tenant and Scope.ADMIN not in principal.scopes:
        raise PermissionDeniedError(
            "Only the tenant that requested an attestation can revoke it or mint with it."
        )
    return row


async def hashes_by_model(
    session: AsyncSession, model_ids: Sequence[str], principal: Principal
) -> dict[str, list[str]]:
    """The hashes of each model's attestations, oldest first (`registry.AttestationsByModel`)."""
    query = _visible(principal, Attestation.model_id, Attestation.hash)
    hashes: dict[str, list[str]] = {model_id: [] for model_id in model_ids}
    for model_id, digest in await session.execute(query.where(Attestation.model_id.in_(model_ids))):
        hashes[model_id].append(digest)
    return hashes


async def hashes_by_contributor(
    session: AsyncSession, address: str, principal: Principal
) -> list[str]:
    """The hashes of the attestations that name a contributor, oldest first.

    address: in EIP-55 form. Implements `contributors.AttestationsByContributor`.
    """
    query = _visible(principal, Attestation.hash)
    return list(await session.scalars(query.where(Attestation.contributors.contains([address]))))


def _visible(principal: Principal, *columns: Any) -> Any:
    """SQL: columns of the attestations that a principal may see, oldest first.

    Columns and not whole rows, each of which holds a document: their number has no bound.
    """
    return (
        select(*columns)
        .where(~Attestation.private | (Attestation.tenant == principal.tenant))
        .order_by(Attestation.created_at, Attestation.hash)
    )
