"""Lookups of host names end soon, and those that nothing waits for are not reported."""

import asyncio
import os
import socket

import pytest

from app.server.name_lookups import OPTIONS, VARIABLE, ignore_abandoned_lookups, limit_lookups


def test_lookups_are_limited_unless_the_operator_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    limit_lookups()
    monkeypatch.setenv(VARIABLE, "timeout:3")
    limit_lookups()
    assert os.environ[VARIABLE] == "timeout:3"
    monkeypatch.delenv(VARIABLE)
    limit_lookups()
    assert os.environ[VARIABLE] == OPTIONS
    monkeypatch.delenv(VARIABLE)


async def test_only_abandoned_lookups_are_not_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    reported: list[object] = []
    monkeypatch.setattr(loop, "default_exception_handler", reported.append)
    ignore_abandoned_lookups(loop)
    message = "Future exception was never retrieved"
    loop.call_exception_handler({"message": message, "exception": socket.gaierror(-3, "silent")})
    assert reported == []
    others = [
        {"message": message, "exception": OSError("another")},
        {"message": "An open failed", "exception": socket.gaierror(-3, "silent")},
    ]
    for other in others:
        loop.call_exception_handler(other)
    assert reported == others
    loop.set_exception_handler(None)
