"""Imports what `hokusai-gateway serve` does until it serves, for a fork server."""

import gc

from app.server import memory

memory.block_optional_imports_and_pause_gc()

import app.edge.http1.protocol  # noqa: E402
import app.main  # noqa: E402
import app.server.draining  # noqa: E402
import app.server.workers  # noqa: E402
import app.standalone.serve  # noqa: E402, F401

gc.enable()
