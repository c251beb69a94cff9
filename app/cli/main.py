"""The entry point of `hokusai-gateway`."""

import errno
import sys

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
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
    except OSError as error:
        # Of a file or a disk; errors of connections are handled where they happen.
        if error.errno not in _DISK_ERRORS:
            raise
        place = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror}{place}", file=sys.stderr, flush=True)
        sys.exit(2)
