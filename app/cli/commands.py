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
    rich_markup_mode=None,
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


@app.command("sign-in-link")
def print_sign_in_link() -> None:
    """Print a link that signs a browser on this machine in, once, within ten minutes.

    It is for the owner of the first admin key, which `serve` keeps in the data directory.
    """
    from app.cli.running import run_in_transaction
    from app.core.errors import StartupError
    from app.core.settings import load_settings
    from app.standalone.data_directory import DataDirectory
    from app.standalone.sign_in_link import link_url, new_link

    settings = load_settings()
    if not settings.is_local:
        raise StartupError(
            "a sign-in link works only where HOKUSAI_HOST is a loopback address, and neither "
            "HOKUSAI_PUBLIC_URL nor HOKUSAI_TRUSTED_PROXIES is set: sign in with a key"
        )
    key_file = DataDirectory(settings.data_dir).admin_key_file
    try:
        key = key_file.read_text().strip()
    except OSError as error:
        raise StartupError(f"cannot read the admin key {key_file}: {error.strerror}") from None
    secret = run_in_transaction(lambda session, peppers: new_link(session, peppers, key))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    typer.echo(link_url(f"http://{host}:{settings.port}", secret))


@app.command()
def doctor() -> None:
    """Check whether the gateway could serve with these settings, and say what to correct.

    It starts and changes nothing. Exit code 0: no problem; 1: a problem; 2: a wrong setting.
    """
    from app.cli.doctor.checks import run_checks

    if not run_checks(os.environ):
        raise typer.Exit(1)
