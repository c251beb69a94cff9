"""`hokusai-gateway tenants`: creates, lists and disables tenants, and sets their quotas."""

from typing import Annotated

import typer
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity import disabling
from app.access.identity.peppers import Peppers
from app.access.quotas.endpoints import requested
from app.access.quotas.schemas import QuotasRequest
from app.access.quotas.service import Quotas
from app.access.tenants import service as tenants
from app.access.tenants.endpoints import view as tenant_view
from app.access.tenants.models import Tenant
from app.cli.output import AsJSON, print_all, print_one
from app.cli.running import ALL_ROWS, run_in_transaction, validated
from app.core.errors import ConflictError
from app.core.request.actor import CLI
from app.core.settings import load_settings

tenants_app = typer.Typer(
    help="Tenants: create, list, disable, enable, quotas.", no_args_is_help=True
)


@tenants_app.command("create")
def create_tenant(name: str, as_json: AsJSON = False) -> None:
    """Create a tenant. Its MLflow workspace is created at its first request."""

    async def create(session: AsyncSession, _: Peppers) -> BaseModel:
        tenant, is_new = await tenants.ensure(session, name, CLI)
        if not is_new:
            raise ConflictError(f"The tenant {name!r} already exists.")
        return tenant_view(tenant, ready=False)

    print_one(run_in_transaction(create), as_json, ("name", "workspace"))


@tenants_app.command("list")
def list_tenants(as_json: AsJSON = False) -> None:
    """List the tenants."""

    async def read(session: AsyncSession, _: Peppers) -> list[BaseModel]:
        found = await tenants.list_tenants(session, after=None, limit=ALL_ROWS)
        return [tenant_view(t, ready=t.default_experiment is not None) for t in found]

    columns = ("name", "workspace", "ready", "created_at", "disabled_at")
    print_all(run_in_transaction(read), as_json, columns)


@tenants_app.command("disable")
def disable_tenant(name: str, as_json: AsJSON = False) -> None:
    """Refuse all keys, tokens, wallets and sessions of a tenant, within a second. Data is kept."""

    async def change(session: AsyncSession, _: Peppers) -> BaseModel:
        return _changed(await disabling.disable(session, name, CLI))

    print_one(run_in_transaction(change), as_json, ("name", "disabled_at"))


@tenants_app.command("enable")
def enable_tenant(name: str, as_json: AsJSON = False) -> None:
    """Accept the keys, tokens and wallets of a tenant again."""

    async def change(session: AsyncSession, _: Peppers) -> BaseModel:
        return _changed(await disabling.enable(session, name, CLI))

    print_one(run_in_transaction(change), as_json, ("name", "disabled_at"))


def _changed(tenant: Tenant) -> BaseModel:
    return tenant_view(tenant, ready=tenant.default_experiment is not None)


@tenants_app.command("quotas")
def tenant_quotas(
    name: str,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KIND=NUMBER",
            help="A new quota, such as models=50000, or models=default. Repeatable.",
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Show how much a tenant has and may have of each kind; change that with --set."""
    arguments = dict(change.partition("=")[::2] for change in changes or ())
    values = {kind: _quota(text) for kind, text in arguments.items()}
    request = validated(QuotasRequest, values, **dict.fromkeys(values, "--set"))
    settings = load_settings()

    async def change_and_read(session: AsyncSession, _: Peppers) -> list[BaseModel]:
        tenant = await tenants.get(session, name)
        quotas = Quotas(settings)
        if request.model_fields_set:
            return [*await quotas.change(session, CLI, tenant.name, requested(request))]
        return [*await quotas.views(session, tenant.name)]

    print_all(run_in_transaction(change_and_read), as_json, ("kind", "used", "quota", "is_default"))


def _quota(text: str) -> int | str | None:
    """A quota as it is typed; a text that is no number stays one, so that the schema refuses it."""
    if text == "default":
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else text
