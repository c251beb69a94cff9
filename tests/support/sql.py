"""SQL in a gateway's database, for what no endpoint shows or changes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from tests.support.gateway import RunningGateway


def sql(gateway: RunningGateway, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of one statement, which runs in its own transaction."""
    with _connected(gateway) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def locked(gateway: RunningGateway, table: str) -> Iterator[None]:
    """Block all other writes to the table while the `with` block lasts."""
    with _connected(gateway) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


def _connected(gateway: RunningGateway) -> "closing[psycopg2.extensions.connection]":
    assert gateway.settings.database_url is not None
    url = gateway.settings.database_url.get_secret_value()
    return closing(psycopg2.connect(url.replace("+asyncpg", "")))
