"""`ModelRegistry`: logging models to MLflow and registering them with Hokusai."""

from hokusai.core.registry import ModelRegistry, setup

__all__ = ["ModelRegistry", "setup"]
