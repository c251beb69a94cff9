"""Idempotent requests: who may work on one, and what its repetitions get."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.control_plane.idempotency import service
from app.control_plane.idempotency.models import IdempotentRequest
from app.control_plane.idempotency.service import (
    Claim,
    RequestIdentity,
    StoredResponse,
    identify,
    require_same_request,
)
from app.core.errors import InProgressError, KeyReusedError
from app.database.engine import Database, now

BODY = {"a": 1, "b": [None, "ü"]}
RESPONSE = StoredResponse(201, {"z": 1, "a": 2})


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database in which each test uses requests of its own."""
    opened = Database(database_url, connections=3)
    yield opened
    await opened.close()


async def claim(
    database: Database, request: RequestIdentity, lease: float = 60
) -> Claim | StoredResponse:
    async with database.transaction() as session:
        return await service.claim(session, request, lease)


async def new_claim(database: Database, request: RequestIdentity, lease: float = 60) -> Claim:
    claimed = await claim(database, request, lease)
    assert isinstance(claimed, Claim)
    return claimed


async def find_response(database: Database, request: RequestIdentity) -> StoredResponse | None:
    async with database.transaction() as session:
        return await service.find_response(session, request)


async def complete(database: Database, request: RequestIdentity, holder: str) -> bool:
    async with database.transaction() as session:
        return await service.complete(session, request, holder, RESPONSE)


# --- the identity of a request ---


def test_without_a_key_the_same_document_is_the_same_request() -> None:
    request = identify("key:a", "models", BODY, None)
    assert identify("key:a", "models", dict(reversed(BODY.items())), None) == request
    for other in (
        identify("key:a", "models", BODY | {"a": 2}, None),
        identify("key:a", "attestations", BODY, None),
    ):
        assert other.key != request.key
    assert identify("key:b", "models", BODY, None).principal != request.principal


def test_with_a_key_the_key_is_the_request() -> None:
    request = identify("key:a", "models", BODY, "k")
    other = identify("key:a", "models", BODY | {"a": 2}, "k")
    assert other.key == request.key
    assert other.request_hash != request.request_hash
    assert identify("key:a", "models", BODY, "l").key != request.key


def test_a_key_cannot_pass_for_a_document() -> None:
    key = identify("key:a", "models", BODY, None).key
    assert identify("key:a", "models", BODY, key).key != key


def test_a_key_that_was_used_for_another_request_is_refused() -> None:
    request = identify("key:a", "models", BODY, "k")
    require_same_request(request.request_hash, request)
    with pytest.raises(KeyReusedError):
        require_same_request("0" * 64, request)


# --- claiming ---


async def test_a_new_request_can_be_claimed_once(database: Database) -> None:
    request = identify("key:a", "models", "claimed once", None)
    assert await find_response(database, request) is None
    assert (await new_claim(database, request)).is_new
    with pytest.raises(InProgressError) as caught:
        await claim(database, request)
    assert dict(caught.value.headers)[b"retry-after"] == b"2"


async def test_of_many_that_claim_a_request_at_once_one_gets_it(database: Database) -> None:
    request = identify("key:a", "models", "claimed at once", None)
    results = await asyncio.gather(
        *(claim(database, request) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, Claim) for result in results) == 1
    assert sum(isinstance(result, InProgressError) for result in results) == 9


async def test_an_expired_lease_can_be_taken_over(database: Database) -> None:
    request = identify("key:a", "models", "expired", None)
    first = await new_claim(database, request, lease=-1)
    second = await new_claim(database, request)
    assert not second.is_new
    assert second.holder != first.holder


async def test_a_lease_that_lasts_cannot_be_taken_over(database: Database) -> None:
    request = identify("key:a", "models", "not expired", None)
    await new_claim(database, request)
    async with database.transaction() as session:
        assert not await service.take_over(session, request, "another", 60)


async def test_a_key_of_another_request_cannot_be_claimed(database: Database) -> None:
    await new_claim(database, identify("key:a", "models", "one", "reused"))
    with pytest.raises(KeyReusedError):
        await claim(database, identify("key:a", "models", "two", "reused"))


# --- the steps of a holder ---


async def test_a_completed_request_is_replayed(database: Database) -> None:
    request = identify("key:a", "models", "completed", None)
    claimed = await new_claim(database, request)
    assert await complete(database, request, claimed.holder)
    for replay in (await find_response(database, request), await claim(database, request)):
        assert replay == StoredResponse(RESPONSE.status, RESPONSE.document, replayed=True)
        assert isinstance(replay, StoredResponse)
        assert list(replay.document) == ["z", "a"], "the members keep their order"


async def test_a_discarded_request_is_new_again(database: Database) -> None:
    request = identify("key:a", "models", "discarded", None)
    claimed = await new_claim(database, request)
    async with database.transaction() as session:
        assert await service.discard(session, request, claimed.holder)
    assert (await new_claim(database, request)).is_new


async def test_a_renewed_lease_lasts_longer(database: Database) -> None:
    request = identify("key:a", "models", "renewed", None)
    claimed = await new_claim(database, request, lease=1)
    async with database.transaction() as session:
        assert await service.renew(session, request, claimed.holder, 600)
        row = await session.get_one(IdempotentRequest, (request.principal, request.key))
        assert row.lease_until is not None
        assert row.lease_until > now() + timedelta(seconds=500)


async def test_a_holder_that_lost_its_request_changes_nothing(database: Database) -> None:
    request = identify("key:a", "models", "lost", None)
    first = await new_claim(database, request, lease=-1)
    second = await new_claim(database, request)
    async with database.transaction() as session:
        assert not await service.renew(session, request, first.holder, 60)
        assert not await service.discard(session, request, first.holder)
    assert not await complete(database, request, first.holder)
    assert await complete(database, request, second.holder)


async def test_a_completed_request_cannot_be_taken_over_or_discarded(database: Database) -> None:
    request = identify("key:a", "models", "completed with an expired lease", None)
    claimed = await new_claim(database, request, lease=-1)
    assert await complete(database, request, claimed.holder)
    async with database.transaction() as session:
        assert not await service.take_over(session, request, "another", 60)
        assert not await service.discard(session, request, claimed.holder)


async def test_requests_with_an_expired_lease_are_found(database: Database) -> None:
    requests = [identify("key:a", "models", f"found {number}", None) for number in range(3)]
    await new_claim(database, requests[0], lease=-1)
    await new_claim(database, requests[1])
    done = await new_claim(database, requests[2], lease=-1)
    assert await complete(database, requests[2], done.holder)
    async with database.transaction() as session:
        expired = [
            await session.scalar(select(service.lease_has_expired(request.principal, request.key)))
            for request in requests
        ]
    assert expired == [True, False, False]
