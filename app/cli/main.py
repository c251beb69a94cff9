"""`hokusai-gateway`: the entry point of all its commands."""

import sys

from app.core.errors import StartupError


def main() -> None:
    """Run a command: what keeps it from its work is one line and exit code 2."""
    try:
        if sys.argv[1:] == ["serve"]:
            serve()
        else:
            # Imported here: the process that serves for months does without the other commands.
            from app.cli.commands import app

            app(prog_name="hokusai-gateway")
    except StartupError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(2)


def serve() -> None:
    """Serve, in a process that loads no more than that takes."""
    from app.server import memory, signals

    signals.stop_on_signals()
    memory.start()
    from app.standalone.serve import serve as run

    run()
