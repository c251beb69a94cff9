"""One request, one effect: claiming a request, and replaying what came of it.

A request is new, in progress, or done. In progress means that a holder has a lease; once the lease
is over, anybody may take the work up. Every step of a holder says who it is, so that one that was
overtaken notices.
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


@dataclass(frozen=True, slots=True)
class RequestID:
    """Which request: whose, under which key, and the hash of what it asks."""

    principal: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered. replayed: whether by an earlier sending of it."""

    status: int
    document: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a request until the lease ends. is_new: nobody did before."""

    holder: str
    is_new: bool


def identify(principal: str, route: str, document: Any, key: str | None) -> RequestID:
    """The identity of a request.

    key: the header Idempotency-Key; without one the same document to the same route is the same
    request.
    """
    text = json.dumps([route, document], sort_keys=True, allow_nan=False)
    request_hash = hashlib.sha256(text.encode()).hexdigest()
    given = f"key:{hashlib.sha256(key.encode()).hexdigest()}" if key is not None else None
    return RequestID(principal, given or f"body:{request_hash}", request_hash)


async def answered(session: AsyncSession, request: RequestID) -> Answer | None:
    """What the request was answered; None where it is new, or was left by its holder.

    Raises InProgressError while another holder works on it, KeyReusedError where its key stands for
    another request.
    """
    row = await session.get(
        IdempotentRequest, (request.principal, request.key), populate_existing=True
    )
    if row is None:
        return None
    if row.request_hash != request.request_hash:
        raise KeyReusedError(
            "This Idempotency-Key came with another request before. Take a new key for each "
            "request, and the same one to repeat a request unchanged."
        )
    if row.answer is not None and row.status is not None:
        return Answer(row.status, row.answer, replayed=True)
    assert row.lease_until is not None
    left = (row.lease_until - now()).total_seconds()
    if left > 0:
        # Most work is done long before its lease ends.
        raise InProgressError(
            "This request is being worked on. Send it again unchanged to learn what came of it.",
            retry_after=min(math.ceil(left), 2),
        )
    return None


async def claim(session: AsyncSession, request: RequestID, lease: float) -> Claim | Answer:
    """Take a request on for `lease` seconds; or what it was answered meanwhile.

    Any number may race for a new or a left request: one gets it. Raises as `answered` does.
    """
    holder = secrets.token_hex(8)
    until = now() + timedelta(seconds=lease)
    made = await session.scalar(
        insert(IdempotentRequest)
        .values(
            principal=request.principal,
            key=request.key,
            request_hash=request.request_hash,
            holder=holder,
            lease_until=until,
        )
        .on_conflict_do_nothing()
        .returning(IdempotentRequest.key)
    )
    if made is not None:
        return Claim(holder, is_new=True)
    found = await answered(session, request)
    if found is not None:
        return found
    if await take_over(session, request, holder, lease):
        return Claim(holder, is_new=False)
    raise InProgressError("This request is being worked on. Send it again unchanged.")


async def take_over(session: AsyncSession, request: RequestID, holder: str, lease: float) -> bool:
    """Become the holder of a request whose lease is over. False where another was faster."""
    taken = await session.scalar(
        _of(request)
        .where(IdempotentRequest.lease_until < now())
        .values(holder=holder, lease_until=now() + timedelta(seconds=lease))
        .returning(IdempotentRequest.key)
    )
    return taken is not None


async def renew(session: AsyncSession, request: RequestID, holder: str, lease: float) -> bool:
    """Hold on for `lease` seconds from now. False for a holder that was overtaken."""
    kept = await session.scalar(
        _of(request, holder)
        .values(lease_until=now() + timedelta(seconds=lease))
        .returning(IdempotentRequest.key)
    )
    return kept is not None


async def finish(session: AsyncSession, request: RequestID, holder: str, answer: Answer) -> bool:
    """Keep the answer, in the transaction of what it tells of. False for an overtaken holder."""
    done = await session.scalar(
        _of(request, holder)
        .values(holder=None, lease_until=None, status=answer.status, answer=answer.document)
        .returning(IdempotentRequest.key)
    )
    return done is not None


async def forget(session: AsyncSession, request: RequestID, holder: str) -> bool:
    """Let go of a request that came to nothing, so that it can be sent again as a new one."""
    gone = await session.scalar(
        delete(IdempotentRequest)
        .where(
            IdempotentRequest.principal == request.principal,
            IdempotentRequest.key == request.key,
            IdempotentRequest.holder == holder,
        )
        .returning(IdempotentRequest.key)
    )
    return gone is not None


def is_left(principal: Any, key: Any) -> Any:
    """SQL: whether the request of those two columns has no holder whose lease goes on."""
    return (
        select(IdempotentRequest.key)
        .where(
            IdempotentRequest.principal == principal,
            IdempotentRequest.key == key,
            IdempotentRequest.lease_until < now(),
        )
        .exists()
    )


def _of(request: RequestID, holder: str | None = None) -> Any:
    change = update(IdempotentRequest).where(
        IdempotentRequest.principal == request.principal,
        IdempotentRequest.key == request.key,
        IdempotentRequest.lease_until.is_not(None),
    )
    return change if holder is None else change.where(IdempotentRequest.holder == holder)
