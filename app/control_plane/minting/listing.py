"""The list of mint requests, for those who requested them and for the holders of the tokens."""

from typing import Any

from sqlalchemy import Boolean, bindparam, or_, select
from starlette.responses import Response

from app.control_plane.minting.lookup import sees_all
from app.control_plane.minting.models import MintRequest
from app.control_plane.minting.schemas import MintRequestFilter, MintRequestSummary
from app.control_plane.minting.signer_set import SignerSet
from app.control_plane.registry.models import Token
from app.core.request.principal import Principal
from app.database.reads import Reads, columns_of
from app.rest.listing import Listing, by_number, read_page

_COLUMNS = columns_of(MintRequest, without=["typed_data"])
_IS_OWN = MintRequest.tenant == bindparam("own")
# Not IN, for which PostgreSQL might read all tokens.
_HOLDER = select(Token.tenant).where(Token.symbol == MintRequest.symbol).scalar_subquery()

# Those of the improvements of the tenant `own`, newest first.
_OWN = Listing(by_number(MintRequest.number), _COLUMNS, MintRequest.number, within=[_IS_OWN])
# Those for the token id `token`, as far as the tenant may see them.
_OF_TOKEN = Listing(
    by_number(MintRequest.number),
    _COLUMNS,
    MintRequest.number,
    within=[MintRequest.symbol == bindparam("token")],
    fits=[or_(_IS_OWN, bindparam("own") == _HOLDER, bindparam("sees_all", type_=Boolean()))],
)


async def list_mint_requests(
    reads: Reads, filters: MintRequestFilter, principal: Principal, signers: SignerSet
) -> Response:
    """A page of the mint requests that a principal obtained, or of those for a token id."""
    values: dict[str, Any] = {}
    if filters.token is not None:
        values = {"token": filters.token.upper(), "sees_all": sees_all(principal, signers.signers)}
    return await read_page(
        reads,
        _OF_TOKEN if values else _OWN,
        lambda row: MintRequestSummary.of(row, signers),
        cursor=filters.cursor,
        limit=filters.limit,
        own=principal.tenant,
        **values,
    )
