"""What the process that serves does without, since it keeps whatever it loads.

To be used before anything else is imported, and in a process that does nothing but serve.
"""

import gc
import sys

# Libraries load these where they find them, and nothing here ever calls them: 9 MB in all. A name
# that stands for None is to `import` as good as not installed, and each library is made for that.
BLOCKED_IMPORTS = (
    "rich",  # structlog's tracebacks in colour; ours are plain
    "httpx._main",  # httpx's own command, with click, Pygments and rich
    "pydantic.v1",  # FastAPI looks whether a model is one of Pydantic 1
    "cffi",  # PyCryptodome is as fast with ctypes
)


def start() -> None:
    """Leave out what is left out, and let no garbage be looked for until `started`.

    Next to nothing of what is made while modules are loaded is garbage, and looking through all of
    it over and over took a fifth of the start.
    """
    for name in BLOCKED_IMPORTS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    gc.disable()


def started() -> None:
    """From here on look for garbage, but never in what is there by now: that stays."""
    if gc.isenabled():
        # Without `start`, as in somebody else's process, some of it may be garbage.
        gc.collect()
    gc.freeze()
    gc.enable()
