"""The commands of `hokusai-gateway`, made with Typer."""

import os
from importlib.metadata import version as package_version
from typing import Annotated

import typer

from app.cli.keys import keys_app
from app.cli.tenants import tenants_app
from app.cli.tokens import tokens_app

app = typer.Typer(
    name="hokusai-gateway",
    help="The gateway through which third parties train, log and register models with Hokusai.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(keys_app, name="keys")
app.add_typer(tenants_app, name="tenants")
app.add_typer(tokens_app, name="tokens")


def _print_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"hokusai-gateway {package_version('hokusai-registry-gateway')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Settings are environment variables HOKUSAI_*: see docs/configuration.md."""


@app.command()
def serve() -> None:
    """Run the gateway; also PostgreSQL and MLflow, unless settings point to running ones."""
    # Imported here for the same reason as in `main`.
    from app.cli.serve import serve as run_serve

    run_serve()


@app.command()
def migrate() -> None:
    """Upgrade the schema of HOKUSAI_DATABASE_URL. Several may run at the same time."""
    # Imported here, so that the other commands do not load Alembic.
    from app.core.settings import load_settings
    from app.database.migrate import migrate_database

    migrate_database(load_settings())
    typer.echo("The schema is up to date.")


@app.command()
def doctor() -> None:
    """Check whether the gateway could serve with these settings, and say what to correct.

    It starts and changes nothing. Exit code 0: no problem; 1: a problem; 2: a wrong setting.
    """
    from app.cli.doctor.checks import run_checks

    if not run_checks(os.environ):
        raise typer.Exit(1)
