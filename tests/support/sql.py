"""Looking into a gateway's database, and changing what no endpoint would."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2

from tests.support.gateway import RunningGateway


def sql(gateway: RunningGateway, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own: the rows, if it gives any."""
    with _connected(gateway) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def locked(gateway: RunningGateway, table: str) -> Iterator[None]:
    """Nobody else writes to the table while the block lasts."""
    with _connected(gateway) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


def _connected(gateway: RunningGateway) -> "closing[psycopg2.extensions.connection]":
    assert gateway.settings.database_url is not None
    url = gateway.settings.database_url.get_secret_value()
    return closing(psycopg2.connect(url.replace("+asyncpg", "")))
