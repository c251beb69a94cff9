"""`hokusai-gateway keys …` and `tenants …`: the services of the admin endpoints, in a shell.

They need HOKUSAI_DATABASE_URL and HOKUSAI_KEY_PEPPER, or the data directory of a running `serve`.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, NoReturn, TypeVar

import asyncpg
import structlog
import typer
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.audit.service import CLI
from app.access.identity import keys
from app.access.identity.key_endpoints import issued, view
from app.access.identity.peppers import Peppers
from app.access.identity.schemas import AdminKeyRequest, RotateRequest
from app.access.tenants import service as tenants
from app.access.tenants.endpoints import view as tenant_view
from app.core.errors import ConflictError, DatabaseUnavailableError, GatewayError, StartupError
from app.core.request.principal import Scope
from app.core.settings import load_settings
from app.core.validation_errors import place, words
from app.database.engine import Database, in_one_line
from app.standalone.discovery import settings_of_running
from app.telemetry.logs import configure_logs

# A list on the command line is read whole.
ALL = 1_000_000
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

keys_app = typer.Typer(help="API keys: create, list, rotate, revoke.", no_args_is_help=True)
tenants_app = typer.Typer(help="Tenants: create, list.", no_args_is_help=True)

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@keys_app.command("create")
def create_key(
    tenant: Annotated[str, typer.Option(help="Made if it is unknown.")],
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="May be repeated; all but admin by default.")
    ] = None,
    rate_limit: Annotated[int | None, typer.Option(help="Requests a minute.")] = None,
    expires_in_days: Annotated[int, typer.Option(help="0 for never.")] = 90,
    network: Annotated[
        list[str] | None, typer.Option(help="CIDR block that the key works from; repeatable.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Issue a key. It is printed once and cannot be shown again."""
    asked: dict[str, Any] = {
        "tenant": tenant,
        "name": name,
        "rate_limit": rate_limit,
        "expires_in_days": expires_in_days or None,
        "allowed_networks": network or [],
    }
    if scope:
        asked["scopes"] = scope
    request = _valid(AdminKeyRequest, asked)

    async def create(session: AsyncSession, peppers: Peppers) -> BaseModel:
        return issued(*await keys.issue(session, peppers, request, CLI))

    _print_one(_run(create), as_json, ("key", "id", "tenant", "scopes", "expires_at"))


@keys_app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    as_json: AsJSON = False,
) -> None:
    """List the keys, without the keys themselves."""

    async def listed(session: AsyncSession, _: Peppers) -> list[BaseModel]:
        return [view(key) for key in await keys.page(session, tenant=tenant, limit=ALL)]

    _print_all(_run(listed), as_json, ("id", "state", "tenant", "name", "hint", "expires_at"))


@keys_app.command("rotate")
def rotate_key(
    key_id: str,
    overlap_seconds: Annotated[int, typer.Option(help="How long the old key works on.")] = 86400,
    as_json: AsJSON = False,
) -> None:
    """Replace a key; the old one works on for the overlap."""

    asked = _valid(RotateRequest, {"overlap_seconds": overlap_seconds})

    async def rotate(session: AsyncSession, peppers: Peppers) -> BaseModel:
        key = await keys.find(session, key_id)
        overlap = timedelta(seconds=asked.overlap_seconds)
        return issued(*await keys.rotate(session, peppers, key, overlap, CLI))

    _print_one(_run(rotate), as_json, ("key", "id", "tenant", "scopes", "expires_at"))


@keys_app.command("revoke")
def revoke_key(
    key_id: str,
    line: Annotated[
        bool, typer.Option("--line", help="Also what it was rotated to or from: for a stolen key.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """End a key at once, and the keys made with it."""

    async def revoke(session: AsyncSession, _: Peppers) -> BaseModel:
        key = await keys.find(session, key_id)
        await keys.revoke(session, key, CLI, line=line)
        return view(key)

    _print_one(_run(revoke), as_json, ("id", "state", "revoked_at"))


@tenants_app.command("create")
def create_tenant(name: str, as_json: AsJSON = False) -> None:
    """Make a tenant; its first request makes its MLflow workspace."""

    async def create(session: AsyncSession, _: Peppers) -> BaseModel:
        tenant, is_new = await tenants.ensure(session, name, CLI)
        if not is_new:
            raise ConflictError(f"There is a tenant {name!r} already.")
        return tenant_view(tenant, ready=False)

    _print_one(_run(create), as_json, ("name", "workspace"))


@tenants_app.command("list")
def list_tenants(as_json: AsJSON = False) -> None:
    """List the tenants."""

    async def listed(session: AsyncSession, _: Peppers) -> list[BaseModel]:
        found = await tenants.page(session, after=None, limit=ALL)
        return [tenant_view(t, ready=t.default_experiment is not None) for t in found]

    _print_all(_run(listed), as_json, ("name", "workspace", "ready", "created_at"))


def _valid(schema: type[M], asked: dict[str, Any]) -> M:
    """The arguments, checked as over HTTP; the first that is wrong is one line and exit code 1."""
    try:
        return schema.model_validate(asked)
    except ValidationError as error:
        first = error.errors()[0]
        _fail(f"{place(first)}: {words(first)}")


def _run(act: Callable[[AsyncSession, Peppers], Awaitable[T]]) -> T:
    """Run one act in one transaction; what is refused is one line and exit code 1.

    Raises StartupError where the database is away, not ours, or not migrated.
    """
    given = load_settings()
    settings = settings_of_running(given)
    if not structlog.is_configured():
        # What goes wrong is said in one line at the end.
        configure_logs(settings.model_copy(update={"log_level": "error"}))

    async def run() -> T:
        assert settings.database_url is not None
        database = Database(settings.database_url.get_secret_value(), connections=1)
        try:
            async with database.transaction() as session:
                peppers = Peppers.from_settings(settings)
                await peppers.check(session)
                return await act(session, peppers)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except (DatabaseUnavailableError, SQLAlchemyError, asyncpg.PostgresError) as error:
        if given.database_url is None:
            raise StartupError(
                f"the database in {given.data_dir} does not answer: it runs while "
                "`hokusai-gateway serve` does, which has to be started first"
            ) from error
        raise StartupError(
            f"cannot use the database of HOKUSAI_DATABASE_URL: {in_one_line(error)}; "
            "`hokusai-gateway migrate` prepares it"
        ) from error
    except GatewayError as error:
        _fail(error.message)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)


def _print_one(shown: BaseModel, as_json: bool, names: tuple[str, ...]) -> None:
    if as_json:
        typer.echo(shown.model_dump_json(indent=2))
        return
    for name in names:
        typer.echo(f"{name:12} {_text(getattr(shown, name))}")


def _print_all(shown: list[BaseModel], as_json: bool, names: tuple[str, ...]) -> None:
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in shown], indent=2))
        return
    rows = [names, *(tuple(_text(getattr(one, name)) for name in names) for one in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    for row in rows:
        typer.echo("  ".join(map(str.ljust, row, widths)).rstrip())


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
