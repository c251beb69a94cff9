"""Revoking attestations: an entry in the log says that one no longer holds."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit import service as audit
from app.control_plane.attestations.lookup import find_own_attestation
from app.control_plane.attestations.models import Attestation
from app.control_plane.transparency_log import service as transparency_log
from app.control_plane.transparency_log.models import LogEntry
from app.control_plane.transparency_log.public_text import require_no_secret
from app.core.request.actor import Actor
from app.core.request.principal import Principal


async def find_revocation(session: AsyncSession, digest: str) -> LogEntry | None:
    """The log entry that revokes an attestation, if there is one."""
    return await transparency_log.find_entry(session, digest, transparency_log.REVOKED)


async def revoke(
    session: AsyncSession,
    digest: str,
    reason: str,
    principal: Principal,
    actor: Actor,
    signer: str,
) -> Attestation:
    """Add to the log that an attestation is revoked; a second time changes nothing.

    signer: the attestor's address. Raises NotFoundError, PermissionDeniedError for another
    tenant's, and UnprocessableError for a reason that contains a secret.
    """
    row = await find_own_attestation(session, digest, principal)
    require_no_secret(reason)
    tree = await transparency_log.lock(session)
    if await find_revocation(session, digest) is None:
        await transparency_log.append(
            session, tree, transparency_log.REVOKED, digest, signer=signer, reason=reason
        )
        audit.record(session, actor, "attestation.revoked", digest, row.tenant, reason=reason)
        await session.flush()
    return row
