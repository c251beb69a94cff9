"""The registry that was made last in this process, for what is not told which one to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hokusai.core.registry import ModelRegistry

_last: ModelRegistry | None = None


def set_current(registry: ModelRegistry) -> None:
    """Make a registry the one that `current` gives."""
    global _last  # noqa: PLW0603 - as MLflow has one tracking URI for a process
    _last = registry


def current() -> ModelRegistry | None:
    """The registry made last, if there is one."""
    return _last
