"""The entry point of `hokusai-gateway`."""

import errno
import json
import os
import sys
from datetime import UTC, datetime
from typing import NoReturn

from app.core.errors import StartupError

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def main() -> None:
    """Run a command. A StartupError, or that of a disk, is printed in one line, with code 2."""
    try:
        if sys.argv[1:] == ["serve"]:
            from app.cli.serve import serve

            serve()
        else:
            # Imported here, so that the serving process does not load Typer and other commands.
            from app.cli.commands import app

            app(prog_name="hokusai-gateway")
    except StartupError as error:
        _fail(str(error))
    except OSError as error:
        # Of a file or a disk; errors of connections are handled where they happen.
        if error.errno not in _DISK_ERRORS:
            raise
        _fail(f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror))


def _fail(message: str) -> NoReturn:
    """Print the message to standard error, and end with exit code 2.

    It is an event of the log if `serve` was to log JSON, whether or not the settings are valid.
    """
    if sys.argv[1:] == ["serve"] and os.environ.get("HOKUSAI_LOG_FORMAT", "").strip() == "json":
        at = datetime.now(UTC).isoformat()
        failed = {"event": "server.failed", "level": "error", "error": message, "timestamp": at}
        message = json.dumps(failed)
    else:
        message = f"error: {message}"
    print(message, file=sys.stderr, flush=True)
    sys.exit(2)
