"""`hokusai-gateway serve`, imported without the other commands to save memory."""

from app.server import memory, name_lookups, signals


def serve() -> None:
    """Serve until a signal stops it, which raises ShutdownRequested. Raises StartupError."""
    signals.stop_on_signals()
    name_lookups.limit_lookups()
    memory.block_optional_imports_and_pause_gc()
    from app.standalone.console import discard_lost_output
    from app.standalone.serve import serve as serve_standalone

    try:
        serve_standalone()
    finally:
        discard_lost_output()
