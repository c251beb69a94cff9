"""The lists of API keys, a page at a time."""

from functools import cache

from sqlalchemy import bindparam
from starlette.responses import Response

from app.access.identity.key_views import view
from app.access.identity.models import APIKey
from app.access.identity.schemas import KeyView
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
