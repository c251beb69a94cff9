"""The time limit of each test, also where the signal of pytest-timeout does not end it.

That signal does not interrupt uvloop, nor code that is not Python's, nor a fixture that hangs after
its test has failed, from when on pytest-timeout limits nothing.
"""

import asyncio
import faulthandler
import functools
import inspect
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key


def seconds_of(item: pytest.Item) -> float:
    """The timeout of a test: that of its mark, of the command line, or of pyproject.toml."""
    mark = item.get_closest_marker("timeout")
    if mark is not None and mark.args:
        return float(mark.args[0])
    option = item.config.getoption("timeout")
    return float(item.config.getini("timeout") if option is None else option)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Limit the time of an asynchronous test."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return
    seconds = seconds_of(pyfuncitem)

    @functools.wraps(test)
    async def with_timeout(**arguments: Any) -> None:
        async with asyncio.timeout(0.9 * seconds or None):
            await test(**arguments)

    pyfuncitem.obj = with_timeout


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Print where every thread is and end the process, if all else did not end the test."""
    _watch(item)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Go on after a failure, for which pytest stops it so that a debugger may start."""
    if isinstance(node, pytest.Item) and not node.config.getoption("usepdb"):
        _watch(node)


def _watch(item: pytest.Item) -> None:
    if seconds := seconds_of(item):
        stderr = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(1.2 * seconds, exit=True, file=stderr)
