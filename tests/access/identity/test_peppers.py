"""Changing the pepper: keys of earlier ones go on working, and a wrong one is noticed."""

import asyncio
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from app.access.identity.peppers import Peppers
from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
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


def check(url: str, current: str, *retired: str) -> None:
    async def run() -> None:
        settings = Settings(database_url=SecretStr(url), **peppers(current, *retired))  # type: ignore[arg-type]
        assert settings.database_url is not None
        database = Database(settings.database_url.get_secret_value(), connections=1)
        try:
            async with database.transaction() as session:
                await Peppers.from_settings(settings).verify_and_record(session)
        finally:
            await database.close()

    asyncio.run(run())


def test_a_key_outlives_its_pepper(
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
    # Without the first pepper its key is unknown; the newest still works.
    with RunningGateway(url, mlflow_server.url, **peppers("three", "two")) as running:
        for key, known in zip(keys, (False, True, True), strict=True):
            with running.client(key) as client:
                answer = client.get(WHOAMI)
                if known:
                    good(answer)
                else:
                    refused(answer, 401, "key_invalid")


def test_a_wrong_pepper_is_noticed_by_the_name_of_its_setting(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    check(url, "one")
    check(url, "one")
    with pytest.raises(StartupError, match="HOKUSAI_KEY_PEPPER: pepper 1 is not the one") as wrong:
        check(url, "other")
    assert "\n" not in str(wrong.value)
    assert "other" not in str(wrong.value)
    check(url, "two", "one")
    with pytest.raises(StartupError, match="HOKUSAI_RETIRED_PEPPERS: pepper 1"):
        check(url, "two", "other")
    with pytest.raises(StartupError, match="HOKUSAI_KEY_PEPPER: pepper 2"):
        check(url, "three", "one")


def test_a_pepper_has_to_be_given() -> None:
    with pytest.raises(StartupError, match="HOKUSAI_KEY_PEPPER is not set"):
        Peppers.from_settings(Settings())


@pytest.mark.parametrize("pepper", ["short", "x" * 15])
def test_a_pepper_that_can_be_guessed_is_refused(
    monkeypatch: pytest.MonkeyPatch, pepper: str
) -> None:
    monkeypatch.setenv("HOKUSAI_KEY_PEPPER", pepper)
    with pytest.raises(StartupError, match=r"^HOKUSAI_KEY_PEPPER: .*16") as refused:
        load_settings()
    assert pepper not in str(refused.value)


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY_PEPPER", "DATABASE_URL", "REDIS_URL", "PORT"):
        monkeypatch.setenv(f"HOKUSAI_{name}", "")
    settings = load_settings()
    assert settings.key_pepper is None
    assert settings.database_url is None
    assert settings.port == 8000
