"""What `serve` prints: a line for each step of the start, and a summary of what runs where."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from app.standalone.sign_in_link import link_url

log = structlog.get_logger()


class Progress:
    """Reports each step of the start.

    as_log: with an event of the log, in place of a line on standard output with the duration.
    """

    def __init__(self, *, as_log: bool = False) -> None:
        self._as_log = as_log

    def line(self, text: str) -> None:
        """Report what is not a step, such as a warning."""
        if not self._as_log:
            write_line(text)
        elif text:
            log.info("server.starting", step=text)

    def summary(
        self,
        *,
        gateway: str,
        mlflow: str,
        postgres: str,
        directory: Path,
        admin_key_file: Path | None,
        new_key: str | None,
        link: str | None,
        limits: str,
    ) -> None:
        """Report what runs where; for people also which commands to type next.

        gateway: the URL without a path. mlflow, postgres: descriptions, without secrets.
        admin_key_file: the file of the first admin key, if it exists here.
        new_key: that key, if this start created it and may print it; otherwise None.
        link: the secret of a link that signs a browser on this machine in, if one was made.
        limits: how many requests callers may send.
        """
        if self._as_log:
            log.info("server.started", gateway=gateway, mlflow=mlflow, postgresql=postgres)
            return
        rows = [
            ("gateway", gateway),
            ("pages", f"{gateway}/"),
            ("API docs", f"{gateway}/docs"),
            ("MLflow", mlflow),
            ("PostgreSQL", postgres),
            ("data", str(directory)),
        ]
        if new_key is not None:
            rows.append(("admin key", f"{new_key}  (shown only now; stored in {admin_key_file})"))
        elif admin_key_file is not None:
            rows.append(("admin key", f"in {admin_key_file}"))
        if link is not None:
            rows.append(("sign in", f"{link_url(gateway, link)}  (once, within 10 minutes)"))
        rows.append(("limits", limits))
        write_line(_summary(gateway, rows, admin_key_file))

    @contextmanager
    def step(self, description: str) -> Iterator[None]:
        """Report the description when the step starts, and its duration when it is done."""
        if self._as_log:
            log.info("server.starting", step=description)
            yield
            return
        started = time.monotonic()
        write_line(f"{description} ... ", end="")
        try:
            yield
        except BaseException:
            # The error message starts on a line of its own.
            write_line("")
            raise
        write_line(f"{time.monotonic() - started:.1f} s")


def write_line(text: str, end: str = "\n") -> None:
    """Write to standard output at once, also if it is a pipe. A closed output is not an error."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except OSError:
        pass


def discard_lost_output() -> None:
    """Discard what cannot be written to a terminal or pipe that was closed.

    Python would try again when it exits, and end with code 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def _summary(gateway: str, rows: list[tuple[str, str]], admin_key_file: Path | None) -> str:
    lines = ["", "The Hokusai registry gateway is running.", ""]
    lines += [f"  {name:<12}{value}" for name, value in rows]
    key = "<an API key>" if admin_key_file is None else f"$(cat '{admin_key_file}')"
    lines += [
        "",
        "To use it, paste this into a second terminal:",
        "",
        f"  export MLFLOW_TRACKING_URI={gateway}/api/mlflow",
        f'  export MLFLOW_TRACKING_TOKEN="{key}"',
        # This Python has MLflow; the one of the user's shell may not.
        f"  {shlex.quote(sys.executable)} -c 'import mlflow; mlflow.log_metric(\"accuracy\", 0.9)'",
        f'  curl -H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" {gateway}/api/auth/whoami',
        "",
        "Ctrl-C stops everything that was started here.",
        "",
    ]
    return "\n".join(lines)
