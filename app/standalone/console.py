"""What `serve` prints: a line for each step of the start, and where everything is."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Progress:
    """Prints a line for each step, with how long it took."""

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Print `what` when the step starts and its seconds when it is done."""
        started = time.monotonic()
        say(f"{what} ... ", end="")
        try:
            yield
        except BaseException:
            # The error has the next line to itself.
            say("")
            raise
        say(f"{time.monotonic() - started:.1f} s")


def say(text: str, end: str = "\n") -> None:
    """Print at once, also into a pipe. It is no error if nobody reads it any more."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except OSError:
        pass


def report(
    *,
    gateway: str,
    mlflow: str,
    postgres: str,
    directory: Path,
    admin_key: Path | None,
    new_key: str | None,
) -> str:
    """The text that tells what is running where and what to type next.

    gateway: the URL without a path. mlflow, postgres: descriptions, without secrets.
    admin_key: where the administrator's key is kept, if it is kept here.
    new_key: that key itself on the start that made it, None later.
    """
    rows = [
        ("gateway", gateway),
        ("API docs", f"{gateway}/docs"),
        ("MLflow", mlflow),
        ("PostgreSQL", postgres),
        ("data", str(directory)),
    ]
    if new_key is not None:
        rows.append(("admin key", f"{new_key}  (shown this once, kept in {admin_key})"))
    elif admin_key is not None:
        rows.append(("admin key", f"in {admin_key}"))
    lines = ["", "The Hokusai registry gateway is up.", ""]
    lines += [f"  {name:<12}{value}" for name, value in rows]
    key = "<an API key>" if admin_key is None else f"$(cat '{admin_key}')"
    lines += [
        "",
        "Paste this to use it from a second terminal:",
        "",
        f"  export MLFLOW_TRACKING_URI={gateway}/api/mlflow",
        f'  export MLFLOW_TRACKING_TOKEN="{key}"',
        "  python -c 'import mlflow; mlflow.log_metric(\"accuracy\", 0.9)'",
        f'  curl -H "Authorization: Bearer $MLFLOW_TRACKING_TOKEN" {gateway}/api/auth/whoami',
        "",
        "Ctrl-C stops all of it.",
        "",
    ]
    return "\n".join(lines)
