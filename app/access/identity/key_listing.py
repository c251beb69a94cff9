"""Lists of API keys."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import bindparam, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.access.identity.key_views import view
from app.access.identity.models import APIKey
from app.access.identity.schemas import KeyView
from app.core.errors import NotFoundError
from app.database.reads import Reads, columns_of
from app.rest.listing import Listing, by_text, load_page, read_page

# The conditions by the names of their filters, each with an index that ends with the order. The one
# that is likely to select the fewest comes first, and decides which index is used.
_CONDITIONS = {name: getattr(APIKey, name) == bindparam(name) for name in ("principal", "tenant")}


async def list_keys(
    reads: Reads, *, cursor: str | None, limit: int, **filters: str | None
) -> Response:
    """A page of the keys of a principal, of a tenant, or of all. Raises as `read_page`."""
    values = {name: value for name, value in filters.items() if value is not None}
    return await read_page(
        reads, _listing(frozenset(values)), view, cursor=cursor, limit=limit, **values
    )


async def load_keys(
    reads: Reads, *, cursor: str | None, limit: int, **filters: str | None
) -> tuple[list[KeyView], str | None]:
    """The same as objects, and the cursor of the next page if there is one."""
    values = {name: value for name, value in filters.items() if value is not None}
    return await load_page(
        reads, _listing(frozenset(values)), view, cursor=cursor, limit=limit, **values
    )


async def first_keys(
    session: AsyncSession, *, tenant: str | None = None, limit: int
) -> Sequence[APIKey]:
    """The first keys by id, of a tenant or of all, for the command line."""
    query = select(APIKey).order_by(APIKey.id).limit(limit)
    if tenant is not None:
        query = query.where(APIKey.tenant == tenant)
    return (await session.scalars(query)).all()


async def newest_keys(
    session: AsyncSession, principal: str, limit: int, *, before: str | None = None
) -> Sequence[APIKey]:
    """The keys of a principal that were created last, the newest first.

    before: the id of one of them; only those that were created before it. Raises NotFoundError for
    an id that is not one.
    """
    order = tuple_(APIKey.created_at, APIKey.id)
    query = select(APIKey).where(APIKey.principal == principal)
    if before is not None:
        last = await session.get(APIKey, before)
        if last is None or last.principal != principal:
            raise NotFoundError("There is no key of yours with this id.")
        query = query.where(order < tuple_(literal(last.created_at), literal(last.id)))
    newest = query.order_by(APIKey.created_at.desc(), APIKey.id.desc()).limit(limit)
    return (await session.scalars(newest)).all()


@cache
def _listing(filters: frozenset[str]) -> Listing:
    chosen = [condition for name, condition in _CONDITIONS.items() if name in filters]
    return Listing(
        by_text(APIKey.id),
        columns_of(APIKey, without=["digest", "pepper_version"]),
        APIKey.id,
        within=chosen[:1],
        fits=chosen[1:],
    )
