"""`hokusai-gateway serve`: start what was not given, migrate, serve, and stop all of it."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.core.errors import StartupError
from app.core.settings import Settings, load_settings
from app.core.unknown_settings import unknown_variables
from app.database.engine import database_address, where
from app.server.listener import open_socket
from app.server.run import run
from app.server.signals import ShutdownRequested, ignore_signals
from app.standalone.admin_key import ensure_admin_key
from app.standalone.console import Progress, report, say
from app.standalone.data_directory import DataDirectory
from app.standalone.migrate_in_child import migrate_apart

if TYPE_CHECKING:
    from app.standalone.dependencies import Stack

# For the report alone, so nobody should wait long for it.
_PROBE_SECONDS = 2


def serve() -> None:
    """Run until ShutdownRequested is raised. Raises StartupError; returns after a clean stop.

    What was made here is handed on to the gateway and its workers by environment variables.
    """
    # Whatever comes to be in the data directory is this user's alone.
    os.umask(0o077)
    for line in unknown_variables(os.environ):
        print(line, file=sys.stderr, flush=True)
    with ExitStack() as cleanup:
        try:
            _serve(load_settings(), cleanup)
        except ShutdownRequested:
            say("")
        finally:
            # A second Ctrl-C must not leave a child behind.
            ignore_signals()


def _serve(settings: Settings, cleanup: ExitStack) -> None:
    progress = Progress()
    directory = DataDirectory(settings.data_dir)
    has_children = settings.database_url is None or settings.mlflow_url is None
    has_attestor = any(
        (settings.attestor_key, settings.attestor_key_file, settings.attestor_keystore)
    )
    if has_children or settings.key_pepper is None or not has_attestor:
        directory.create()
    if has_children:
        directory.lock()
        cleanup.callback(directory.unlock)
    for risk in settings.risks:
        say(f"warning: {risk}")
    listener = cleanup.enter_context(open_socket(settings.host, settings.port))
    os.environ["HOKUSAI_PORT"] = str(listener.getsockname()[1])
    if settings.key_pepper is None:
        os.environ["HOKUSAI_KEY_PEPPER"] = directory.pepper()
        if settings.database_url is not None:
            say(
                f"warning: HOKUSAI_KEY_PEPPER is not set; the keys of this database work with "
                f"{directory.path / 'pepper'} alone"
            )
    if not has_attestor:
        directory.make_attestor_key()
        os.environ["HOKUSAI_ATTESTOR_KEY_FILE"] = str(directory.attestor_key)
    given, stack = settings, None
    if has_children:
        stack = _start_children(settings, directory, progress, cleanup)
    settings = load_settings()
    with progress.step("Migrating the database"):
        migrate_apart(settings)
    new_key = _ensure_admin_key(settings, directory)

    def tell() -> None:
        text = report(
            gateway=settings.public_url or _address(listener),
            mlflow=_mlflow(given, stack, directory),
            postgres=_postgres(given, stack),
            directory=directory.path,
            admin_key=directory.admin_key if directory.admin_key.exists() else None,
            # With everything given this is a log that others keep: the key is in its file alone.
            new_key=new_key if has_children else None,
        )
        say(text)

    say("Starting the gateway")
    stopped = threading.Event()
    cleanup.callback(stopped.set)
    _when_listening(listener, stopped, tell)
    run(settings, listener)


def _start_children(
    settings: Settings, directory: DataDirectory, progress: Progress, cleanup: ExitStack
) -> "Stack":
    """Start what is missing."""
    try:
        from app.standalone.dependencies import Stack
    except ImportError as error:
        raise StartupError(
            f"the package {error.name} is not installed: install the extra `standalone` of "
            "hokusai-registry-gateway, or set both HOKUSAI_DATABASE_URL and HOKUSAI_MLFLOW_URL"
        ) from None
    given = settings.database_url.get_secret_value() if settings.database_url else None
    stack = Stack(directory, progress, database_url=given, mlflow_url=settings.mlflow_url)
    cleanup.callback(say, "Stopped.")
    cleanup.callback(stack.stop)
    cleanup.callback(say, "Stopping what was started here ...")
    stack.start()
    directory.note_database(stack.database_url)
    os.environ["HOKUSAI_DATABASE_URL"] = stack.database_url
    os.environ["HOKUSAI_MLFLOW_URL"] = stack.mlflow_url
    return stack


def _ensure_admin_key(settings: Settings, directory: DataDirectory) -> str | None:
    """The administrator's key if this start made it; it is on file by then."""
    try:
        made = asyncio.run(ensure_admin_key(settings, directory.admin_key))
        return directory.admin_key.read_text().strip() if made else None
    except OSError as error:
        raise StartupError(
            f"cannot keep the first admin key in {directory.admin_key}: {error.strerror}; "
            "set HOKUSAI_DATA_DIR to a directory that you own"
        ) from None


def _postgres(settings: Settings, stack: "Stack | None") -> str:
    """Which PostgreSQL it is, without secrets. settings: as they were given."""
    if stack is not None and stack.postgres is not None:
        return f"started here, on the socket {stack.postgres.location}"
    assert settings.database_url is not None
    return where(database_address(settings.database_url.get_secret_value()))


def _mlflow(settings: Settings, stack: "Stack | None", directory: DataDirectory) -> str:
    """Which MLflow it is, and what keeps one that was given from being reached, if anything does.

    No error: it may come up later, and until then the gateway is not ready.
    """
    if stack is not None and stack.mlflow is not None:
        return f"{stack.mlflow_url}  (started here, log in {directory.path / 'mlflow.log'})"
    mlflow_url = settings.mlflow_url
    assert mlflow_url is not None
    parts = urlsplit(mlflow_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), _PROBE_SECONDS).close()
    except OSError as error:
        return f"{mlflow_url}  (cannot be reached yet: {error.strerror or error})"
    return mlflow_url


def _address(listener: socket.socket) -> str:
    """A URL that works on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 (this looks at it, it does not bind)
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _when_listening(
    listener: socket.socket, stopped: threading.Event, action: Callable[[], None]
) -> None:
    """Call `action` once connections are accepted, by this process or by a worker."""
    url = urlsplit(_address(listener))
    address = (url.hostname or "", url.port)

    def watch() -> None:
        while not stopped.wait(0.1):
            try:
                socket.create_connection(address, timeout=1).close()
            except OSError:
                continue
            action()
            return

    threading.Thread(target=watch, name="report", daemon=True).start()
