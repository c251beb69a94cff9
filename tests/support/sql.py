"""Looking into a gateway's database, and changing what no endpoint would."""

from typing import Any

import psycopg2

from tests.support.gateway import RunningGateway


def sql(gateway: RunningGateway, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement in a transaction of its own: the rows, if it gives any."""
    assert gateway.settings.database_url is not None
    url = gateway.settings.database_url.get_secret_value()
    connection = psycopg2.connect(url.replace("+asyncpg", ""))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
