"""Finding one attestation by its hash."""

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
        raise NotFoundError(
            f"There is no attestation {digest}. GET /api/attestations lists those that you may see."
        )
    return row


async def find_own_attestation(
    session: AsyncSession, digest: str, principal: Principal
) -> Attestation:
    """The attestation with a hash, for its own tenant or an admin.

    Raises NotFoundError as `find_attestation` does, and PermissionDeniedError for another tenant's.
    """
    row = await find_attestation(session, digest, principal)
    if row.tenant != principal.tenant and Scope.ADMIN not in principal.scopes:
        raise PermissionDeniedError("Only the tenant that requested an attestation can revoke it.")
    return row
