"""Idempotent requests: each takes effect once, and every repetition gets the first response.

A request is new, in progress, or done. While it is in progress, one process (the holder) has a
lease on it. Once the lease has expired, another process may take the request over. Each later step
names its holder, so that a process that lost the request to another one notices.

The header is that of draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import json
import math
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.control_plane.idempotency.models import IdempotentRequest
from app.core.errors import InProgressError, KeyReusedError
from app.database.engine import now

IN_PROGRESS = "This request is still being processed. Send it again unchanged to get its response."
# Seconds in Retry-After at most: most requests are done long before their lease ends.
MAX_RETRY_AFTER = 2

_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What makes a repeated request the same one: its principal, its key, and a hash of it."""

    principal: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to a request. replayed: whether an earlier sending of it got this response."""

    status: int
    document: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a request until the lease ends.

    is_new: whether no process has worked on the request before.
    """

    holder: str
    is_new: bool


def identify(
    principal: str, route: str, document: Any, idempotency_key: str | None
) -> RequestIdentity:
    """The identity of a principal's request.

    document: the request's JSON. idempotency_key: the header Idempotency-Key; without one, the
    same document sent to the same route is the same request.
    """
    text = _ENCODER.encode([route, document])
    request_hash = hashlib.sha256(text.encode()).hexdigest()
    if idempotency_key is None:
        key = f"body:{request_hash}"
    else:
        key = f"key:{hashlib.sha256(idempotency_key.encode()).hexdigest()}"
    return RequestIdentity(principal, key, request_hash)


def require_same_request(request_hash: str, request: RequestIdentity) -> None:
    """Raises KeyReusedError where a key was first used with another request than this one."""
    if request_hash != request.request_hash:
        raise KeyReusedError(
            "This Idempotency-Key was used for another request before. Use a new key for each "
            "request, and the same key to repeat a request unchanged."
        )


async def find_response(session: AsyncSession, request: RequestIdentity) -> StoredResponse | None:
    """The response to a request that is done; None for one that may be claimed.

    Raises InProgressError while a holder's lease lasts, and KeyReusedError.
    """
    row = await session.get(
        IdempotentRequest, (request.principal, request.key), populate_existing=True
    )
    if row is None:
        return None
    require_same_request(row.request_hash, request)
    if row.response is not None and row.status is not None:
        return StoredResponse(row.status, row.response, replayed=True)
    assert row.lease_until is not None
    seconds_left = (row.lease_until - now()).total_seconds()
    if seconds_left > 0:
        raise InProgressError(
            IN_PROGRESS, retry_after=min(math.ceil(seconds_left), MAX_RETRY_AFTER)
        )
    return None


async def claim(
    session: AsyncSession, request: RequestIdentity, lease: float
) -> Claim | StoredResponse:
    """Claim a request for `lease` seconds; or its response, if it was done meanwhile.

    Of any number of processes that claim a request at once, one gets it. Raises as
    `find_response` does.
    """
    holder = secrets.token_hex(8)
    created = await session.scalar(
        insert(IdempotentRequest)
        .values(
            principal=request.principal,
            key=request.key,
            request_hash=request.request_hash,
            holder=holder,
            lease_until=now() + timedelta(seconds=lease),
        )
        .on_conflict_do_nothing()
        .returning(IdempotentRequest.key)
    )
    if created is not None:
        return Claim(holder, is_new=True)
    response = await find_response(session, request)
    if response is not None:
        return response
    if await take_over(session, request, holder, lease):
        return Claim(holder, is_new=False)
    raise InProgressError(IN_PROGRESS)


async def take_over(
    session: AsyncSession, request: RequestIdentity, holder: str, lease: float
) -> bool:
    """Become the holder of a request whose lease has expired; False if another process did."""
    taken = await session.scalar(
        _update(request)
        .where(IdempotentRequest.lease_until < now())
        .values(holder=holder, lease_until=now() + timedelta(seconds=lease))
        .returning(IdempotentRequest.key)
    )
    return taken is not None


async def renew(session: AsyncSession, request: RequestIdentity, holder: str, lease: float) -> bool:
    """Extend a lease to `lease` seconds from now; False if another process took the request."""
    renewed = await session.scalar(
        _update(request, holder)
        .values(lease_until=now() + timedelta(seconds=lease))
        .returning(IdempotentRequest.key)
    )
    return renewed is not None


async def complete(
    session: AsyncSession, request: RequestIdentity, holder: str, response: StoredResponse
) -> bool:
    """Store the response, in the transaction that makes what it reports.

    False if another process took the request.
    """
    completed = await session.scalar(
        _update(request, holder)
        .values(
            holder=None,
            lease_until=None,
            status=response.status,
            response=response.document,
        )
        .returning(IdempotentRequest.key)
    )
    return completed is not None


async def discard(session: AsyncSession, request: RequestIdentity, holder: str) -> bool:
    """Remove a request that had no effect, so that it can be sent again as a new one.

    False if another process took the request.
    """
    discarded = await session.scalar(
        delete(IdempotentRequest)
        .where(
            IdempotentRequest.principal == request.principal,
            IdempotentRequest.key == request.key,
            IdempotentRequest.holder == holder,
        )
        .returning(IdempotentRequest.key)
    )
    return discarded is not None


async def forget(session: AsyncSession, request: RequestIdentity) -> None:
    """Remove a request that is done, so that the same one is a new one."""
    await session.execute(
        delete(IdempotentRequest).where(
            IdempotentRequest.principal == request.principal,
            IdempotentRequest.key == request.key,
            IdempotentRequest.lease_until.is_(None),
        )
    )


def lease_has_expired(principal: Any, key: Any) -> Any:
    """SQL: whether the request that two columns identify is in progress with an expired lease."""
    return (
        select(IdempotentRequest.key)
        .where(
            IdempotentRequest.principal == principal,
            IdempotentRequest.key == key,
            IdempotentRequest.lease_until < now(),
        )
        .exists()
    )


def _update(request: RequestIdentity, holder: str | None = None) -> Any:
    """An UPDATE of a request in progress; only while `holder` has it, if one is stated."""
    statement = update(IdempotentRequest).where(
        IdempotentRequest.principal == request.principal,
        IdempotentRequest.key == request.key,
        IdempotentRequest.lease_until.is_not(None),
    )
    return statement if holder is None else statement.where(IdempotentRequest.holder == holder)
