"""`hokusai-gateway serve`, in a process that loads nothing it does not need."""

from app.server import memory, signals


def serve() -> None:
    """Serve until a signal stops it. Raises StartupError; ShutdownRequested at a signal."""
    signals.stop_on_signals()
    memory.block_optional_imports_and_pause_gc()
    from app.standalone.serve import serve as serve_standalone

    serve_standalone()
