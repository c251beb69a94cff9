"""Changing the pepper: keys made with earlier ones keep working, and a wrong one is reported."""

import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.peppers import Peppers
from app.core.errors import StartupError
from app.core.settings import Settings
from app.database.engine import Database
from app.standalone.mlflow import ChildMLflow
from tests.support.gateway import RunningGateway
from tests.support.responses import good, refused
from tests.support.sql import sql

WHOAMI = "/api/auth/whoami"


def peppers(current: str, *retired: str) -> dict[str, object]:
    return {
        "key_pepper": SecretStr(f"the pepper called {current}"),
        "retired_peppers": tuple(SecretStr(f"the pepper called {name}") for name in retired),
    }


@asynccontextmanager
async def opened(
    url: str, current: str, *retired: str
) -> AsyncIterator[tuple[Peppers, AsyncSession]]:
    """The peppers of some settings, and a transaction."""
    settings = Settings(**peppers(current, *retired))  # type: ignore[arg-type]
    database = Database(url, connections=1)
    try:
        async with database.transaction() as session:
            yield Peppers.from_settings(settings), session
    finally:
        await database.close()


async def verify_and_record(url: str, current: str, *retired: str) -> None:
    async with opened(url, current, *retired) as (found, session):
        await found.verify_and_record(session)


def test_a_key_works_after_its_pepper_was_retired(
    new_database: Callable[[], str], mlflow_server: ChildMLflow
) -> None:
    url = new_database()
    keys = []
    for generation, used in enumerate([("one",), ("two", "one"), ("three", "one", "two")], 1):
        with RunningGateway(url, mlflow_server.url, **peppers(*used)) as running:
            keys.append(running.key())
            for key in keys:
                with running.client(key) as client:
                    good(client.get(WHOAMI))
                    good(client.get(WHOAMI))
            versions = sql(running, "select max(pepper_version) from api_keys")
            assert versions == [(generation,)]
    # Without the first pepper its key is unknown; the others still work.
    with RunningGateway(url, mlflow_server.url, **peppers("three", "two")) as running:
        for key, known in zip(keys, (False, True, True), strict=True):
            with running.client(key) as client:
                answer = client.get(WHOAMI)
                if known:
                    good(answer)
                else:
                    refused(answer, 401, "key_invalid")


async def test_a_wrong_pepper_is_reported_with_its_setting(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    await verify_and_record(url, "one")
    await verify_and_record(url, "one")
    with pytest.raises(StartupError, match="HOKUSAI_KEY_PEPPER: pepper 1 is not the one") as wrong:
        await verify_and_record(url, "other")
    assert "\n" not in str(wrong.value)
    assert "other" not in str(wrong.value)
    await verify_and_record(url, "two", "one")
    with pytest.raises(StartupError, match="HOKUSAI_RETIRED_PEPPERS: pepper 1"):
        await verify_and_record(url, "two", "other")
    with pytest.raises(StartupError, match="HOKUSAI_KEY_PEPPER: pepper 2"):
        await verify_and_record(url, "three", "one")


async def test_verifying_records_nothing(new_database: Callable[[], str]) -> None:
    url = new_database()
    async with opened(url, "one") as (found, session):
        assert await found.verify(session) == 0
        assert await found.verify(session) == 0
        await found.verify_and_record(session)
        assert await found.verify(session) == 1


def test_versions_are_numbered_from_the_oldest() -> None:
    found = Peppers((b"oldest", b"older"), b"current")
    assert found.version == 3
    assert found.digest("key") == hmac.digest(b"current", b"key", "sha256")
    assert found.earlier_digests("key") == [
        hmac.digest(b"older", b"key", "sha256"),
        hmac.digest(b"oldest", b"key", "sha256"),
    ]


def test_a_pepper_is_required() -> None:
    with pytest.raises(StartupError, match="HOKUSAI_KEY_PEPPER is not set"):
        Peppers.from_settings(Settings())
