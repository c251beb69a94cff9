"""One thread for computations on scores, which would block the event loop for too long.

Python runs one thread at a time, so a second one would only delay other requests.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scores")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What the function returns, once those before it are done."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, partial(function, *args, **kwargs))
