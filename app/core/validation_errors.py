"""What Pydantic found wrong with a value, in the words that a caller is told."""

from collections.abc import Mapping
from typing import Any


def place(problem: Mapping[str, Any]) -> str:
    """Where it is, such as `body.metrics.accuracy`. problem: one of `ValidationError.errors()`."""
    return ".".join(map(str, problem["loc"]))


def words(problem: Mapping[str, Any]) -> str:
    """What is wrong, without the name that Pydantic has for errors of our own."""
    return str(problem["msg"]).removeprefix("Value error, ")
