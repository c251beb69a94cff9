"""Tenants are created once, and listed by name."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text

from app.access.tenants import service
from app.core.errors import UnprocessableError
from app.core.request.actor import CLI
from app.database.engine import Database


@pytest.fixture
async def database(new_database: Callable[[], str]) -> AsyncIterator[Database]:
    opened = Database(new_database(), connections=5)
    yield opened
    await opened.close()


async def ensure(database: Database, name: str) -> tuple[str, bool]:
    async with database.transaction() as session:
        tenant, is_new = await service.ensure(session, name, CLI)
        return tenant.workspace, is_new


async def test_a_tenant_is_created_by_the_first_call(database: Database) -> None:
    workspace, is_new = await ensure(database, "Acme")
    assert is_new
    assert await ensure(database, "Acme") == (workspace, False)
    async with database.transaction() as session:
        entries = await session.execute(text("select actor, action, subject from audit_events"))
        assert [tuple(row) for row in entries] == [("cli", "tenant.created", "Acme")]


async def test_concurrent_calls_create_one_tenant(database: Database) -> None:
    created = await asyncio.gather(*(ensure(database, "acme") for _ in range(10)))
    assert sorted(is_new for _, is_new in created) == [False] * 9 + [True]


async def test_an_invalid_name_is_refused(database: Database) -> None:
    with pytest.raises(UnprocessableError):
        await ensure(database, "a/b")


async def test_an_address_in_any_casing_is_one_tenant(database: Database) -> None:
    address = "0x" + "aB" * 20
    assert await ensure(database, address) == (address.lower(), True)
    assert await ensure(database, address.lower()) == (address.lower(), False)


async def test_tenants_are_listed_by_name(database: Database) -> None:
    for name in ("c", "a", "b"):
        await ensure(database, name)
    async with database.transaction() as session:
        first = await service.list_tenants(session, after=None, limit=1)
        rest = await service.list_tenants(session, after="a", limit=5)
    assert [tenant.name for tenant in first] == ["a", "b"]  # one more than the limit
    assert [tenant.name for tenant in rest] == ["b", "c"]
