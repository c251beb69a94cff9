"""The tenants that an admin has disabled, as one worker knows them."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.tenants.models import Tenant
from app.core.errors import TenantDisabledError

_READ = "select name from tenants where disabled_at is not null"


class DisabledTenants:
    """Their names, which PostgreSQL notifies the worker of: see `CredentialCache`.

    is_current: whether the worker is being notified. Otherwise the database has to be asked.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.is_current = False
        # What was notified while the names were being read, by name.
        self._changes: dict[str, bool] = {}

    async def read(self, connection: Any) -> None:
        """Read all of them. connection: of asyncpg, which is notified of changes already."""
        self._changes = {}
        names = {row["name"] for row in await connection.fetch(_READ)}
        self._names = names
        for name, disabled in self._changes.items():
            self.set(name, disabled=disabled)
        self.is_current = True

    def set(self, name: str, *, disabled: bool) -> None:
        """Note a change. name: in its stored form."""
        self._changes[name] = disabled
        if disabled:
            self._names.add(name)
        else:
            self._names.discard(name)

    def check(self, name: str) -> None:
        """Raise TenantDisabledError for one of them."""
        if name in self._names:
            raise disabled_error(name)


async def check_stored(session: AsyncSession, name: str) -> None:
    """The same, by the database."""
    at = await session.scalar(select(Tenant.disabled_at).where(Tenant.name == name))
    if at is not None:
        raise disabled_error(name)


def disabled_error(name: str) -> TenantDisabledError:
    return TenantDisabledError(
        f"An admin of this gateway has disabled the tenant {name}. Its data is kept. Ask the "
        "operator to enable it."
    )
