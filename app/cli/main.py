"""The entry point of `hokusai-gateway`."""

import sys

from app.core.errors import StartupError


def main() -> None:
    """Run a command. A StartupError is printed in one line, with exit code 2."""
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
