"""`hokusai-gateway serve`: starts what no setting points to, migrates, serves, and stops it all."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from app.control_plane.attestations.signing_key import has_attestor_key
from app.core.errors import StartupError
from app.core.settings import UNIX, Settings, load_settings
from app.core.unknown_settings import unknown_variables
from app.database.engine import FAILURES, database_address, display_address, driver_message
from app.server.listener import open_socket
from app.server.run import run
from app.server.signals import ShutdownRequested, ignore_signals
from app.standalone.admin_key import ensure_admin_key, limit_of_key
from app.standalone.console import Progress
from app.standalone.data_directory import DataDirectory
from app.standalone.migrate_in_child import migrate_in_child
from app.standalone.sign_in_link import make_link
from app.telemetry.logs import configure_logs

log = structlog.get_logger()

if TYPE_CHECKING:
    from app.standalone.dependencies import Dependencies

# Requests per window with the first admin key of a gateway that runs with all it needs on one
# machine: more than that machine serves, so that its own user is never held up.
OWN_LIMIT = 1_000_000
# Short, because the result is only shown in the start-up summary.
_PROBE_SECONDS = 2


def serve() -> None:
    """Serve until ShutdownRequested is raised, and return after a clean stop. Raises StartupError.

    The gateway and its workers learn from environment variables what was started here.
    """
    # Every file that is created in the data directory is private to this user.
    os.umask(0o077)
    # Before the settings are read: a setting may be wrong because another name is misspelled.
    _report_unknown_variables()
    settings = load_settings()
    progress = Progress(as_log=settings.log_format == "json")
    if settings.log_format == "json":
        configure_logs(settings)
    with ExitStack() as cleanup:
        try:
            _serve(settings, progress, cleanup)
        except ShutdownRequested:
            progress.line("")
        finally:
            # Otherwise a second Ctrl-C could leave a child process running.
            ignore_signals()


def _report_unknown_variables() -> None:
    as_log = os.environ.get("HOKUSAI_LOG_FORMAT", "").strip() == "json"
    if as_log:
        configure_logs(Settings.model_construct(log_format="json"))
    for line in unknown_variables(os.environ):
        if as_log:
            log.warning("server.starting", step=line)
        else:
            print(line, file=sys.stderr, flush=True)


def _serve(settings: Settings, progress: Progress, cleanup: ExitStack) -> None:
    directory = DataDirectory(settings.data_dir)
    has_children = settings.database_url is None or settings.mlflow_url is None
    has_attestor = has_attestor_key(settings)
    if has_children or settings.key_pepper is None or not has_attestor:
        directory.create()
    if has_children:
        directory.require_space()
        directory.lock()
        cleanup.callback(directory.unlock)
    for risk in settings.risks:
        progress.line(f"warning: {risk}")
    listener = cleanup.enter_context(open_socket(settings.host, settings.port))
    os.environ["HOKUSAI_PORT"] = str(listener.getsockname()[1])
    if settings.key_pepper is None:
        os.environ["HOKUSAI_KEY_PEPPER"] = directory.ensure_pepper()
        if settings.database_url is not None:
            progress.line(
                "warning: HOKUSAI_KEY_PEPPER is not set: the API keys of this database work only "
                f"with the pepper in {directory.path / 'pepper'}"
            )
    if not has_attestor:
        directory.ensure_attestor_key()
        os.environ["HOKUSAI_ATTESTOR_KEY_FILE"] = str(directory.attestor_key_file)
    configured, started = settings, None
    if has_children:
        started = _start_dependencies(settings, directory, progress, cleanup)
    with progress.step("Migrating the database"):
        migrate_in_child(load_settings())
    # The role that owns the tables is not for the process that serves.
    for name in [name for name in os.environ if name.upper() == "HOKUSAI_MIGRATION_DATABASE_URL"]:
        del os.environ[name]
    settings = load_settings()
    # An operator who sets a limit means this key as well.
    is_own_machine = has_children and "rate_limit" not in settings.model_fields_set
    new_key = _ensure_admin_key(settings, directory, OWN_LIMIT if is_own_machine else None)
    admin_limit = _admin_limit(settings, directory)
    link = None
    # A log is read by others, and a browser elsewhere cannot use the link.
    if has_children and settings.log_format != "json" and settings.is_local:
        link = make_link(settings, directory.admin_key_file)

    def print_summary() -> None:
        key_file = directory.admin_key_file
        progress.summary(
            gateway=settings.public_url or _local_url(listener),
            mlflow=_describe_mlflow(configured, started, directory),
            postgres=_describe_postgres(configured, started),
            directory=directory.path,
            admin_key_file=key_file if key_file.exists() else None,
            # In production the output is a log that others read, so the key is only in its file.
            new_key=new_key if has_children else None,
            link=link,
            limits=_describe_limits(settings, admin_limit),
        )

    progress.line("Starting the gateway")
    stopped = threading.Event()
    cleanup.callback(stopped.set)
    _call_when_listening(listener, stopped, print_summary)
    run(settings, listener)


def _start_dependencies(
    settings: Settings, directory: DataDirectory, progress: Progress, cleanup: ExitStack
) -> "Dependencies":
    """Start what no setting points to; put its URLs into the environment."""
    try:
        from app.standalone.dependencies import Dependencies
    except ImportError as error:
        raise StartupError(
            f"the package {error.name} is not installed: install the extra `standalone` of "
            "hokusai-registry-gateway, or set both HOKUSAI_DATABASE_URL and HOKUSAI_MLFLOW_URL"
        ) from None
    url = settings.database_url.get_secret_value() if settings.database_url else None
    dependencies = Dependencies(
        directory, progress, database_url=url, mlflow_url=settings.mlflow_url
    )
    cleanup.callback(progress.line, "Stopped.")
    cleanup.callback(dependencies.stop)
    cleanup.callback(progress.line, "Stopping what was started here ...")
    dependencies.start()
    directory.write_database_url(dependencies.database_url)
    os.environ["HOKUSAI_DATABASE_URL"] = dependencies.database_url
    os.environ["HOKUSAI_MLFLOW_URL"] = dependencies.mlflow_url
    if dependencies.migration_url is not None:
        os.environ["HOKUSAI_MIGRATION_DATABASE_URL"] = dependencies.migration_url
    return dependencies


def _ensure_admin_key(
    settings: Settings, directory: DataDirectory, rate_limit: int | None
) -> str | None:
    """The first admin key if this start created it, after it was written to its file."""
    try:
        is_new = asyncio.run(ensure_admin_key(settings, directory.admin_key_file, rate_limit))
        return directory.admin_key_file.read_text().strip() if is_new else None
    except OSError as error:
        raise StartupError(
            f"cannot write the first admin key to {directory.admin_key_file}: {error.strerror}; "
            "set HOKUSAI_DATA_DIR to a directory that you own"
        ) from None
    except FAILURES as error:
        raise StartupError(
            f"cannot use the database of HOKUSAI_DATABASE_URL: {driver_message(error)}"
        ) from error


def _admin_limit(settings: Settings, directory: DataDirectory) -> int | None:
    """How many requests per window the admin key in the data directory may send, if it is valid."""
    try:
        secret = directory.admin_key_file.read_text().strip()
    except OSError:
        return None
    return asyncio.run(limit_of_key(settings, secret))


def _describe_limits(settings: Settings, admin_limit: int | None) -> str:
    """How many requests callers may send. admin_limit: with the admin key, if it is here."""
    window = f"{settings.rate_window} seconds"
    default = f"{settings.rate_limit:,} requests in {window} (HOKUSAI_RATE_LIMIT)"
    if admin_limit is None or admin_limit == settings.rate_limit:
        return default
    return f"{admin_limit:,} requests in {window} with the admin key; else {default}"


def _describe_postgres(configured: Settings, started: "Dependencies | None") -> str:
    """Where PostgreSQL is, without secrets. configured: the operator's own settings."""
    if started is not None and started.postgres is not None:
        return f"started here, on the socket {started.postgres.socket_path}"
    assert configured.database_url is not None
    return display_address(database_address(configured.database_url.get_secret_value()))


def _describe_mlflow(
    configured: Settings, started: "Dependencies | None", directory: DataDirectory
) -> str:
    """Where MLflow is, and why it cannot be reached if it cannot.

    That is not an error: MLflow may start later, and the gateway is not ready before.
    """
    if started is not None and started.mlflow is not None:
        return f"{started.mlflow_url}  (started here, log in {directory.path / 'mlflow.log'})"
    mlflow_url = configured.mlflow_url
    assert mlflow_url is not None
    parts = urlsplit(mlflow_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        if mlflow_url.startswith(UNIX):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(mlflow_url.removeprefix(UNIX))
        else:
            socket.create_connection((parts.hostname or "", port), _PROBE_SECONDS).close()
    except OSError as error:
        return f"{mlflow_url}  (cannot be reached yet: {error.strerror or error})"
    return mlflow_url


def _local_url(listener: socket.socket) -> str:
    """The URL of the listener for clients on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _call_when_listening(
    listener: socket.socket, stopped: threading.Event, action: Callable[[], None]
) -> None:
    """Call `action` in a thread once this process or a worker accepts connections."""
    url = urlsplit(_local_url(listener))
    address = (url.hostname or "", url.port)

    def watch() -> None:
        while not stopped.wait(0.1):
            try:
                socket.create_connection(address, timeout=1).close()
            except OSError:
                continue
            action()
            return

    threading.Thread(target=watch, name="start-up summary", daemon=True).start()
