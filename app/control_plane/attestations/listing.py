"""Lists of attestations: all, or those of a tenant, model, run, kind or contributor."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from starlette.responses import Response

from app.control_plane.attestations.models import Attestation, AttestedContributor
from app.control_plane.attestations.schemas import AttestationFilter, AttestationSummary
from app.control_plane.transparency_log.models import LogEntry
from app.control_plane.transparency_log.service import REVOKED
from app.core.ethereum import checksum_address
from app.core.request.principal import Principal
from app.database.reads import Reads, Statement
from app.rest.listing import FilteredListing, Listing, load_page, read_page

# How many hashes a model's record shows.
SHOWN = 20

_VISIBLE = or_(~Attestation.private, Attestation.tenant == bindparam("own"))
_COLUMNS = [
    *(
        getattr(Attestation, name).label(name)
        for name in ("hash", "kind", "tenant", "model_id", "run_id", "private", "created_at")
    ),
    # Not EXISTS, for which PostgreSQL might read all revocations.
    select(LogEntry.index)
    .where(LogEntry.attestation == Attestation.hash, LogEntry.kind == REVOKED)
    .limit(1)
    .scalar_subquery()
    .is_not(None)
    .label("is_revoked"),
]
_ATTESTATIONS = FilteredListing(
    Attestation.number,
    _COLUMNS,
    visible=_VISIBLE,
    conditions={
        name: getattr(Attestation, name) == bindparam(name)
        for name in ("run_id", "model_id", "tenant", "kind")
    },
    elsewhere={
        "contributor": (
            AttestedContributor.number,
            AttestedContributor.address == bindparam("contributor"),
        )
    },
)


async def list_attestations(
    reads: Reads, filters: AttestationFilter, principal: Principal
) -> Response:
    """A page of the attestations that meet the conditions and that a principal may see."""
    listing, values = _listing_of(filters)
    view = AttestationSummary.model_validate
    return await read_page(reads, listing, view, own=principal.tenant, **values)


async def load_attestations(
    reads: Reads, filters: AttestationFilter, principal: Principal
) -> tuple[list[AttestationSummary], str | None]:
    """The same as objects, and the cursor of the next page if there is one."""
    listing, values = _listing_of(filters)
    view = AttestationSummary.model_validate
    return await load_page(reads, listing, view, own=principal.tenant, **values)


def _listing_of(filters: AttestationFilter) -> tuple[Listing, dict[str, Any]]:
    """The list with these conditions, and the values to read it with."""
    values = filters.conditions()
    if filters.contributor is not None:
        values["contributor"] = checksum_address(filters.contributor)
    return _ATTESTATIONS.by(values), {"cursor": filters.cursor, "limit": filters.limit, **values}


_asked = (
    func.unnest(bindparam("model_ids", type_=ARRAY(TEXT)))
    .table_valued("model_id")
    .render_derived("asked")
)
_newest = (
    select(Attestation.hash, Attestation.number)
    .where(Attestation.model_id == _asked.c.model_id, _VISIBLE)
    .order_by(Attestation.number.desc())
    .limit(SHOWN)
    .lateral("newest")
)
_NEWEST_BY_MODEL = Statement(
    select(_asked.c.model_id, _newest.c.hash)
    .select_from(_asked.join(_newest, true()))
    .order_by(_newest.c.number)
)


_newest_summaries = (
    select(*_COLUMNS, Attestation.number)
    .where(Attestation.model_id == _asked.c.model_id, _VISIBLE)
    .order_by(Attestation.number.desc())
    .limit(bindparam("each"))
    .lateral("newest")
)
_SUMMARIES_BY_MODEL = Statement(
    select(_newest_summaries)
    .select_from(_asked.join(_newest_summaries, true()))
    .order_by(_newest_summaries.c.number.desc())
)


async def summaries_by_model(
    reads: Reads, model_ids: Sequence[str], principal: Principal, *, each: int
) -> dict[str, list[AttestationSummary]]:
    """Each model's newest attestations that a principal may see, newest first, at most `each`."""
    found: dict[str, list[AttestationSummary]] = {model_id: [] for model_id in model_ids}
    rows = await reads.all(
        _SUMMARIES_BY_MODEL, model_ids=model_ids, own=principal.tenant, each=each
    )
    for row in rows:
        found[row.model_id].append(AttestationSummary.model_validate(row))
    return found


async def newest_by_model(
    reads: Reads, model_ids: Sequence[str], principal: Principal
) -> dict[str, list[str]]:
    """The hashes of each model's newest attestations, oldest first, at most `SHOWN`.

    Implements `registry.AttestationsByModel`.
    """
    hashes: dict[str, list[str]] = {model_id: [] for model_id in model_ids}
    for row in await reads.all(_NEWEST_BY_MODEL, model_ids=model_ids, own=principal.tenant):
        hashes[row.model_id].append(row.hash)
    return hashes
