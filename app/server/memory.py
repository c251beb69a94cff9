"""Memory of the serving process: blocks optional imports, and tunes the garbage collector.

For a process that only serves, before it imports anything else.
"""

import gc
import sys

# Libraries import these if they are installed, but the gateway never uses them: 9 MB in all. The
# import of a module that is None in `sys.modules` raises ImportError, which each of the libraries
# handles.
BLOCKED_IMPORTS = (
    "rich",  # structlog's coloured tracebacks; the gateway's are plain
    "httpx._main",  # httpx's command line, with click, Pygments and rich
    "pydantic.v1",  # FastAPI's support for models of Pydantic 1
    "cffi",  # PyCryptodome is as fast with ctypes
)


def block_optional_imports_and_pause_gc() -> None:
    """Block `BLOCKED_IMPORTS`, and pause the garbage collector until `freeze_gc`.

    Almost no object that is created during imports is garbage, and repeated collections took a
    fifth of the start.
    """
    for name in BLOCKED_IMPORTS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    gc.disable()


def freeze_gc() -> None:
    """Resume garbage collection, without the objects that exist now: they are permanent."""
    gc.freeze()
    gc.enable()
