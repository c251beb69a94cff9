"""Memory of the serving process: blocks optional imports, and tunes the garbage collector.

To be called before anything else is imported, in a process that does nothing but serve.
"""

import gc
import sys

# Libraries import these if they are installed, and nothing here ever calls them: 9 MB in all. A
# module that is None in `sys.modules` raises ImportError, for which each of the libraries is made.
BLOCKED_IMPORTS = (
    "rich",  # structlog's coloured tracebacks; ours are plain
    "httpx._main",  # httpx's command line, with click, Pygments and rich
    "pydantic.v1",  # FastAPI checks whether a model is one of Pydantic 1
    "cffi",  # PyCryptodome is as fast with ctypes
)


def block_optional_imports_and_pause_gc() -> None:
    """Block `BLOCKED_IMPORTS`, and pause the garbage collector until `freeze_gc`.

    Hardly anything that is created while modules load is garbage, and collecting again and again
    took a fifth of the start.
    """
    for name in BLOCKED_IMPORTS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    gc.disable()


def freeze_gc() -> None:
    """Collect garbage again, but never examine the objects that exist now: they stay."""
    gc.freeze()
    gc.enable()
