"""Finding one mint request by its number, for those who may see it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.signers import Signers
from app.control_plane.registry.models import Token
from app.core.errors import NotFoundError
from app.core.request.principal import Principal, Scope


async def find_mint_request(
    session: AsyncSession,
    number: int,
    principal: Principal,
    signers: Signers,
    *,
    lock: bool = False,
) -> MintRequest:
    """The mint request with a number. lock: for a change, until the transaction ends.

    It shows to the owner of the improvement, to the holder of the token, to the further attestors
    with their wallets, and to admins. Raises NotFoundError for all others.
    """
    query = select(MintRequest).where(MintRequest.number == number, MintRequest.digest != "")
    row = await session.scalar(query.with_for_update() if lock else query)
    if row is not None:
        token = await session.get(Token, row.symbol)
        holder = None if token is None else token.tenant
        if principal.tenant in (row.tenant, holder) or sees_all(principal, signers):
            return row
    raise NotFoundError(
        f"There is no mint request {number}. GET /api/mint-requests lists those that you may see."
    )


def sees_all(principal: Principal, signers: Signers) -> bool:
    """Whether the mint requests of all tenants show: to admins, and to the further attestors."""
    return Scope.ADMIN in principal.scopes or principal.address in signers.further
