"""Train anywhere, register with Hokusai: the client of the Hokusai registry gateway."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hokusai.__version__ import __version__

if TYPE_CHECKING:
    from hokusai.auth import HokusaiAuth
    from hokusai.core import ModelRegistry
    from hokusai.errors import HokusaiError
    from hokusai.results import Attestation, RegisteredModel
    from hokusai.tracking import ExperimentManager, PerformanceTracker

__all__ = [
    "Attestation",
    "ExperimentManager",
    "HokusaiAuth",
    "HokusaiError",
    "ModelRegistry",
    "PerformanceTracker",
    "RegisteredModel",
    "__version__",
]

_DEFINED_IN = {
    "Attestation": "hokusai.results",
    "ExperimentManager": "hokusai.tracking",
    "HokusaiAuth": "hokusai.auth",
    "HokusaiError": "hokusai.errors",
    "ModelRegistry": "hokusai.core",
    "PerformanceTracker": "hokusai.tracking",
    "RegisteredModel": "hokusai.results",
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: `hokusai.verify` alone needs neither requests nor MLflow.
    if name in _DEFINED_IN:
        return getattr(importlib.import_module(_DEFINED_IN[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
