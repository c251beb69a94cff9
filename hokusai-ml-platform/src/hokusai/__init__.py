"""The Python SDK of the Hokusai registry gateway: register models, have improvements attested.

The names below are imported from their modules on first use, so that `import hokusai.verify` loads
neither MLflow nor an HTTP client.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hokusai.__version__ import __version__

if TYPE_CHECKING:
    from hokusai.auth import HokusaiAuth
    from hokusai.core import ModelRegistry, setup
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
    "setup",
]

_DEFINED_IN = {
    "Attestation": "hokusai.results",
    "ExperimentManager": "hokusai.tracking",
    "HokusaiAuth": "hokusai.auth",
    "HokusaiError": "hokusai.errors",
    "ModelRegistry": "hokusai.core",
    "PerformanceTracker": "hokusai.tracking",
    "RegisteredModel": "hokusai.results",
    "setup": "hokusai.core",
}


def __getattr__(name: str) -> Any:
    if name in _DEFINED_IN:
        return getattr(importlib.import_module(_DEFINED_IN[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
