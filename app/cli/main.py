"""`hokusai-gateway`: the entry point of all its commands."""

import sys

from app.core.errors import StartupError


def main() -> None:
    """Run a command; a StartupError is reported in one line, exit code 2."""
    try:
        if sys.argv[1:] == ["serve"]:
            from app.cli.serve import serve

            serve()
        else:
            # Imported here, so that the process that serves does not load the other commands.
            from app.cli.commands import app

            app(prog_name="hokusai-gateway")
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
