"""Experiments in MLflow, and improvements with their attestations."""

from hokusai.tracking.experiments import ExperimentManager
from hokusai.tracking.performance import PerformanceTracker

__all__ = ["ExperimentManager", "PerformanceTracker"]
