"""Runs one database transaction for a command.

It needs HOKUSAI_DATABASE_URL and HOKUSAI_KEY_PEPPER, or the data directory of a running `serve`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import asyncpg
import structlog
import typer
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.peppers import Peppers
from app.core.errors import DatabaseUnavailableError, GatewayError, StartupError
from app.core.settings import load_settings
from app.core.validation_errors import problems_with
from app.database.engine import Database, in_one_line
from app.standalone.discovery import settings_of_running
from app.telemetry.logs import configure_logs

# A list on the command line is not paged.
ALL = 1_000_000
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def validated(schema: type[M], arguments: dict[str, Any], **options: str) -> M:
    """The arguments as an HTTP request's body; a wrong one is one line on stderr, exit code 1.

    options: by the name of a member of the body, the option that gives it, if that is not called
    like the member.
    """
    try:
        return schema.model_validate(arguments)
    except ValidationError as error:
        first = problems_with(schema, error)[0]
        name = first.where.partition("[")[0]
        option = options.get(name, f"--{name.replace('_', '-')}")
        _fail(f"{option}: {first.problem}")


def run(act: Callable[[AsyncSession, Peppers], Awaitable[T]]) -> T:
    """Run `act` in one transaction; a GatewayError is reported in one line, exit code 1.

    Raises StartupError where the database cannot be reached, is not migrated, or belongs to
    another pepper.
    """
    own = load_settings()
    settings = settings_of_running(own)
    if not structlog.is_configured():
        # An error is reported in one line at the end.
        configure_logs(settings.model_copy(update={"log_level": "error"}))

    async def in_transaction() -> T:
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
        return asyncio.run(in_transaction())
    except (DatabaseUnavailableError, SQLAlchemyError, asyncpg.PostgresError) as error:
        if own.database_url is None:
            raise StartupError(
                f"the database in {own.data_dir} does not answer: it runs while "
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
