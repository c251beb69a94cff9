"""Writes and reads the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.access.audit.models import AuditEvent
from app.access.audit.schemas import AuditEventView, AuditFilter
from app.core.request.actor import Actor
from app.database.direct import Write
from app.database.engine import now
from app.database.reads import Reads, columns_of
from app.rest.listing import Listing, Order, load_page, read_page
from app.rest.pagination import decode_cursor, wrong_list_error


def record(
    session: AsyncSession,
    actor: Actor,
    action: str,
    subject: str,
    tenant: str | None = None,
    **details: Any,
) -> None:
    """Add an entry to the transaction of the change, so that both are committed or neither.

    action, subject, details: see `AuditEvent`.
    """
    session.add(
        AuditEvent(
            actor=actor.principal,
            action=action,
            subject=subject,
            tenant=tenant,
            request_id=actor.request_id,
            client=actor.client,
            details=details,
        )
    )


@dataclass(frozen=True, slots=True)
class Change:
    """What an entry says: see `AuditEvent`."""

    actor: Actor
    action: str
    subject: str
    tenant: str | None
    details: Mapping[str, Any]


# The same statement for any number of entries, so that it is prepared only once.
_RECORD_ALL = (
    "insert into audit_events (at, actor, action, subject, tenant, request_id, client, details)"
    " select at, actor, action, subject, tenant, request_id, client, cast(details as jsonb)"
    " from unnest(cast(:times as timestamptz[]), cast(:actors as text[]),"
    " cast(:actions as text[]), cast(:subjects as text[]), cast(:tenants as text[]),"
    " cast(:requests as text[]), cast(:clients as text[]), cast(:details as text[]))"
    " as change (at, actor, action, subject, tenant, request_id, client, details)"
)


def records(changes: Sequence[Change]) -> list[Write]:
    """What records several changes of one transaction: see `record`."""
    at = now()
    values = {
        "times": [at] * len(changes),
        "actors": [one.actor.principal for one in changes],
        "actions": [one.action for one in changes],
        "subjects": [one.subject for one in changes],
        "tenants": [one.tenant for one in changes],
        "requests": [one.actor.request_id for one in changes],
        "clients": [one.actor.client for one in changes],
        "details": [to_json(one.details).decode() for one in changes],
    }
    return [Write("audited", _RECORD_ALL, values)]


async def list_events(reads: Reads, query: AuditFilter) -> Response:
    """A page of the matching entries, newest first. Raises as `read_page`."""
    listing, values = _listing_of(query)
    return await read_page(reads, listing, AuditEventView.model_validate, **values)


async def load_events(reads: Reads, query: AuditFilter) -> tuple[list[AuditEventView], str | None]:
    """The same as objects, and the cursor of the next page if there is one."""
    listing, values = _listing_of(query)
    return await load_page(reads, listing, AuditEventView.model_validate, **values)


def _listing_of(query: AuditFilter) -> tuple[Listing, dict[str, Any]]:
    """The list with these conditions, and the values to read it with."""
    values = {
        name: value
        for name, value in query.model_dump(exclude={"cursor", "limit"}).items()
        if value is not None
    }
    return _listing(frozenset(values)), {"cursor": query.cursor, "limit": query.limit, **values}


def _parse(cursor: str) -> tuple[datetime, int]:
    at, _, number = decode_cursor(cursor).partition(" ")
    try:
        if len(number) <= 18:
            return datetime.fromisoformat(at).astimezone(UTC), int(number)
    except (ValueError, OverflowError):
        pass
    raise wrong_list_error()


# By time and not by id alone, so that one index serves `since` and `until` as well.
_ORDER = Order(
    (AuditEvent.at, AuditEvent.id),
    _parse,
    lambda position: f"{position[0].isoformat()} {position[1]}",
)
# The conditions by the names of their filters, each with an index that begins with the column and
# ends with the order. The one that is likely to select the fewest comes first, and decides which
# index is used.
_CONDITIONS = {
    name: getattr(AuditEvent, name) == bindparam(name)
    for name in ("subject", "actor", "action", "tenant")
}
_PERIOD = {
    "since": AuditEvent.at >= bindparam("since"),
    "until": AuditEvent.at < bindparam("until"),
}


@cache
def _listing(filters: frozenset[str]) -> Listing:
    chosen = [condition for name, condition in _CONDITIONS.items() if name in filters]
    period = [condition for name, condition in _PERIOD.items() if name in filters]
    return Listing(
        _ORDER,
        columns_of(AuditEvent),
        AuditEvent.id,
        within=[*chosen[:1], *period],
        fits=chosen[1:],
    )
