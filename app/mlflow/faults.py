"""Faults of MLflow and of what it stands on, recognised in its error responses."""

import re
from pathlib import Path

import structlog

from app.core.disk_space import MIN_FREE, describe, free_bytes
from app.core.errors import (
    UpstreamCredentialError,
    UpstreamError,
    UpstreamMisconfiguredError,
    UpstreamStorageFullError,
)

log = structlog.get_logger()

# The body of MLflow's 403 to a Host header that --allowed-hosts does not list.
HOST_REFUSED = "Invalid Host header"
# How a full disk or a used-up quota reads in the errors of the operating system, of PostgreSQL, of
# MySQL and of SQLite.
_NO_SPACE = re.compile(
    r"No space left on device|Disk quota exceeded|could not extend file|DiskFull|"
    r"The table '[^']*' is full|database or disk is full",
    re.IGNORECASE,
)
# SQLAlchemy's text for an error of a database driver, such as "(psycopg2.OperationalError) …".
_DRIVER_ERROR = re.compile(r"\((?:[a-z_]\w*\.)+\w+\) ")
# What SQLAlchemy says before it, of itself.
_AUTOFLUSH = re.compile(r"\(raised as a result of [^)]*\)")
# The error of PostgreSQL, and of MySQL, for a text that is longer than its column.
_TOO_LONG = re.compile(
    r"value too long for type character varying\((\d+)\)|Data too long for column"
)
_MAX_LOGGED = 300
_FULL = (
    "MLflow has no space left to store this. The gateway's operator has to free some; until then "
    "nothing can be written."
)


def known_fault(status: int, text: str) -> UpstreamError | None:
    """The error for a response whose status and text reveal what the operator has to correct."""
    if status == 401:
        return UpstreamCredentialError(
            "MLflow does not accept the gateway's own credentials. The gateway's operator has to "
            "set HOKUSAI_MLFLOW_AUTHORIZATION."
        )
    if status == 403 and HOST_REFUSED in text:
        return UpstreamMisconfiguredError(
            "MLflow refuses the gateway's Host header. The gateway's operator has to add the host "
            "and the port of HOKUSAI_MLFLOW_URL to MLflow's --allowed-hosts."
        )
    if status >= 500 and _NO_SPACE.search(text):
        log.error("upstream.storage_full", status=status, error=_first_line(text))
        return UpstreamStorageFullError(_FULL)
    return None


def full_disk(status: int, directory: Path | None) -> UpstreamStorageFullError | None:
    """The error for a failure without a message, where the disk of MLflow's files is full.

    directory: on that disk, if it is one of this machine.
    """
    free = free_bytes(directory) if directory is not None else None
    if free is None or directory is None or free >= MIN_FREE:
        return None
    log.error("upstream.storage_full", status=status, error=describe(directory, free))
    return UpstreamStorageFullError(_FULL)


def without_driver_error(status: int, message: str) -> str:
    """MLflow's message without the text of its database's driver, which names hosts and tables.

    The text goes to the log if the failure is MLflow's own (5xx).
    """
    found = _DRIVER_ERROR.search(message)
    if found is None:
        return message
    if status < 500:
        too_long = _TOO_LONG.search(message, found.start())
        if too_long is not None:
            limit = f"{too_long[1]} characters, which is" if too_long[1] else "what is"
            return f"A text in the request is longer than {limit} the most that MLflow can store."
        own = _AUTOFLUSH.sub("", message[: found.start()]).strip()
        return own or "MLflow's database refused this."
    log.warning("upstream.database_failed", status=status, error=_first_line(message))
    return "MLflow's database failed. Try again; if it goes on, tell the operator the request id."


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:_MAX_LOGGED]
