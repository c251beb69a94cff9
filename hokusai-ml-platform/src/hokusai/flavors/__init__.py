"""Choosing the MLflow flavour of a model, and logging the model with it."""

from hokusai.flavors.detect import FLAVORS, flavor_of
from hokusai.flavors.log import Logged, log_model

__all__ = ["FLAVORS", "Logged", "flavor_of", "log_model"]
