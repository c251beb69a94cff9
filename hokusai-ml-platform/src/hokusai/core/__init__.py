"""Registering models."""

from hokusai.core.registry import ModelRegistry

__all__ = ["ModelRegistry"]
