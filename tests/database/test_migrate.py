"""Migrating the configured database; `hokusai-gateway migrate` is tested with the commands."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from app.core.errors import StartupError
from app.core.settings import Settings
from app.database import migrate as module
from app.database.migrate import alembic_config, main, migrate, migrate_database
from app.database.revision import MIGRATIONS, is_migrated
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.redis import free_port


def settings(url: str) -> Settings:
    return Settings(database_url=SecretStr(url))


def test_alembic_finds_the_migrations_and_the_database() -> None:
    config = alembic_config("postgresql://h/d")
    assert config.get_main_option("script_location") == str(MIGRATIONS)
    assert config.attributes["url"] == "postgresql://h/d"


def test_a_new_database_is_migrated(postgres: EmbeddedPostgreSQL) -> None:
    postgres.create_database("migrate_new")
    url = postgres.url("migrate_new")
    migrate_database(settings(url))
    assert is_migrated(url)
    migrate(url)  # changes nothing
    assert is_migrated(url)


def test_a_migrated_database_is_left_unchanged(
    new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "migrate", lambda _: pytest.fail("it was migrated again"))
    migrate_database(settings(new_database()))


def test_the_url_must_be_set() -> None:
    with pytest.raises(StartupError, match="HOKUSAI_DATABASE_URL is not set"):
        migrate_database(Settings())


def test_an_unreachable_database_is_refused() -> None:
    url = f"postgresql://u:secret@127.0.0.1:{free_port()}/d"
    with pytest.raises(StartupError, match="cannot migrate the database") as caught:
        migrate_database(settings(url))
    assert "secret" not in str(caught.value)


def test_the_command_prints_an_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: HOKUSAI_DATABASE_URL is not set: set it to the database to migrate\n"
    )
