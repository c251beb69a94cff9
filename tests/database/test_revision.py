"""Whether a database's schema is recent enough for this release."""

from collections.abc import Callable

import pytest
from alembic.script import ScriptDirectory

from app.core.errors import DatabaseUnavailableError
from app.database.migrate import alembic_config
from app.database.revision import (
    MIGRATIONS,
    is_migrated,
    is_sufficient,
    newest_revision,
    revision_of,
)
from app.standalone.postgres import EmbeddedPostgreSQL
from tests.support.redis import free_port


def test_the_newest_revision_is_that_of_the_last_file() -> None:
    assert len(list((MIGRATIONS / "versions").glob(f"{newest_revision()}_*.py"))) == 1
    later = int(newest_revision()) + 1
    assert not list((MIGRATIONS / "versions").glob(f"{later:04}*"))


def test_the_migrations_run_in_the_order_of_their_numbers() -> None:
    """A gateway compares numbers, so a later migration must never have a lower one."""
    chain = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    numbers = [script.revision for script in chain]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == newest_revision()


@pytest.mark.parametrize(
    ("revision", "sufficient"),
    [
        (None, False),
        ("0000", False),
        (newest_revision(), True),
        ("9999", True),
        ("9999_other", False),
        ("", False),
    ],
)
def test_this_revision_or_a_later_one_is_sufficient(revision: str | None, sufficient: bool) -> None:
    assert is_sufficient(revision) is sufficient


async def test_the_revision_of_a_url(new_database: Callable[[], str]) -> None:
    assert await revision_of(new_database()) == newest_revision()
    with pytest.raises(DatabaseUnavailableError):
        await revision_of(f"postgresql://127.0.0.1:{free_port()}/d")


def test_a_database_is_migrated_or_not(
    new_database: Callable[[], str], postgres: EmbeddedPostgreSQL
) -> None:
    assert is_migrated(new_database())
    postgres.create_database("revision_without_tables")
    assert not is_migrated(postgres.url("revision_without_tables"))
    assert not is_migrated(f"postgresql://127.0.0.1:{free_port()}/d")
