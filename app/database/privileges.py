"""What the roles of the database may do: one owns the tables and migrates, another one serves.

The serving role can insert into the permanent tables (audit log, attestations and their log) and
read them. It owns no table, so it can neither change their rows nor remove the triggers that refuse
changes, whatever SQL it runs.
"""

import asyncio
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from app.database.engine import database_address
from app.database.pooler import WITHOUT_PREPARED_STATEMENTS

# Each table of the schema, and whether a trigger of the migrations refuses changes of its rows.
_TABLES = text(
    "select c.relname, exists (select from pg_trigger t join pg_proc p on p.oid = t.tgfoid "
    "where t.tgrelid = c.oid and p.proname = 'refuse_change') as permanent "
    "from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')"
)
# The role of this session, and what it could do to permanent rows.
_ROLE = text(
    "select current_user as name, "
    "(select rolsuper from pg_roles where rolname = current_user) as superuser, "
    "exists (select from pg_class c where c.relnamespace = 'public'::regnamespace "
    "and c.relkind in ('r', 'p') and pg_has_role(c.relowner, 'USAGE')) as owner, "
    "coalesce((select string_agg(distinct c.relname, ', ') from pg_class c "
    "join pg_trigger t on t.tgrelid = c.oid join pg_proc p on p.oid = t.tgfoid "
    "where p.proname = 'refuse_change' and (has_table_privilege(c.oid, 'UPDATE') or "
    "has_table_privilege(c.oid, 'DELETE') or has_table_privilege(c.oid, 'TRUNCATE'))), '') "
    "as changes"
)
# Besides the tables of the schema: Alembic's, which only a migration changes.
_REVISION = "alembic_version"


@dataclass(frozen=True, slots=True)
class RolePrivileges:
    """A role's privileges over permanent rows.

    superuser: it may do everything. owner: it owns tables, or is a member of the role that does.
    changes: permanent tables whose rows it may change or remove, separated by commas.
    """

    name: str
    superuser: bool
    owner: bool
    changes: str

    @classmethod
    async def read(cls, session: AsyncSession) -> "RolePrivileges":
        """Those of the session's role."""
        row = (await session.execute(_ROLE)).one()
        return cls(row.name, row.superuser, row.owner, row.changes)


def grant(owner_url: str, role: str) -> None:
    """Give a role exactly what the gateway needs to serve. Repeating it changes nothing.

    owner_url: of the database, with the role that owns the tables. For commands only: it starts an
    event loop. Raises the exceptions of SQLAlchemy and asyncpg.
    """
    asyncio.run(_grant(owner_url, role))


async def _grant(owner_url: str, role: str) -> None:
    engine = create_async_engine(
        database_address(owner_url),
        poolclass=NullPool,
        connect_args={**WITHOUT_PREPARED_STATEMENTS},
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_grant_all, role)
    finally:
        await engine.dispose()


def _grant_all(connection: Connection, role: str) -> None:
    grantee = quoted(role)
    connection.execute(text(f"revoke create on schema public from {grantee}"))
    connection.execute(text(f"grant usage on schema public to {grantee}"))
    connection.execute(text(f"grant usage, select on all sequences in schema public to {grantee}"))
    for name, permanent in connection.execute(_TABLES).all():
        allowed = "select, insert" if permanent else "select, insert, update, delete"
        if name == _REVISION:
            allowed = "select"
        table = f"public.{quoted(name)}"
        connection.execute(text(f"revoke all on {table} from {grantee}"))
        connection.execute(text(f"grant {allowed} on {table} to {grantee}"))


def quoted(identifier: str) -> str:
    """An identifier for SQL, whatever characters it has."""
    return '"' + identifier.replace('"', '""') + '"'


def missing_privilege(role: str) -> str:
    """What to do where a role may not create tables. Since PostgreSQL 15, only the owner may."""
    return (
        "the role may not create tables: set HOKUSAI_MIGRATION_DATABASE_URL to the database with "
        "the role that owns it, or as that owner run "
        f"`GRANT USAGE, CREATE ON SCHEMA public TO {quoted(role)}`"
    )
