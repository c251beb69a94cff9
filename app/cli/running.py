"""Runs a command in one database transaction.

The database and the pepper are those of HOKUSAI_DATABASE_URL and HOKUSAI_KEY_PEPPER, or those in
the data directory of a running `serve`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import structlog
import typer
from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.identity.peppers import Peppers
from app.core.errors import GatewayError, StartupError
from app.core.settings import load_settings
from app.core.validation_errors import problems_with
from app.database.engine import FAILURES, Database, driver_message
from app.standalone.discovery import discover_settings
from app.telemetry.logs import configure_logs

# The limit of a list on the command line, which has no pages.
ALL_ROWS = 1_000_000
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def validated(schema: type[M], arguments: dict[str, Any], **options: str) -> M:
    """The arguments, validated like the body of an HTTP request.

    options: for members that are not set by the option of the same name, the option that sets them.
    An invalid argument is printed in one line on standard error, with exit code 1.
    """
    try:
        return schema.model_validate(arguments)
    except ValidationError as error:
        first = problems_with(schema, error)[0]
        name = first.where.partition("[")[0]
        option = options.get(name, f"--{name.replace('_', '-')}")
        _fail(f"{option}: {first.problem}")


def run_in_transaction(action: Callable[[AsyncSession, Peppers], Awaitable[T]]) -> T:
    """Run `action` in one transaction, and return its result.

    A GatewayError is printed in one line on standard error, with exit code 1. Raises StartupError
    where the database cannot be reached, is not migrated, or was used with another pepper.
    """
    configured = load_settings()
    settings = discover_settings(configured)
    if not structlog.is_configured():
        # Warnings would repeat what the one-line error says.
        configure_logs(settings.model_copy(update={"log_level": "error"}))

    async def in_transaction() -> T:
        assert settings.database_url is not None
        database = Database(settings.database_url.get_secret_value(), connections=1)
        try:
            async with database.transaction() as session:
                peppers = Peppers.from_settings(settings)
                await peppers.verify_and_record(session)
                return await action(session, peppers)
        finally:
            await database.close()

    try:
        return asyncio.run(in_transaction())
    except FAILURES as error:
        if configured.database_url is None:
            raise StartupError(
                f"the database in {configured.data_dir} is not running: start "
                "`hokusai-gateway serve` first, which runs it"
            ) from error
        raise StartupError(
            f"cannot use the database of HOKUSAI_DATABASE_URL: {driver_message(error)}; if it is "
            "new, run `hokusai-gateway migrate` first"
        ) from error
    except GatewayError as error:
        _fail(error.message)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
