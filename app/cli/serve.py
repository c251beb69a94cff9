"""`hokusai-gateway serve`, imported without the other commands to save memory."""

from app.server import memory, signals


def serve() -> None:
    """Serve until a signal stops it, which raises ShutdownRequested. Raises StartupError."""
    signals.stop_on_signals()
    memory.block_optional_imports_and_pause_gc()
    from app.standalone.serve import serve as serve_standalone

    serve_standalone()
