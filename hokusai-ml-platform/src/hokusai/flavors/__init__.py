"""Which of MLflow's flavours a model is logged with, and how."""

from hokusai.flavors.detect import FLAVORS, flavor_of
from hokusai.flavors.log import Logged, log_model

__all__ = ["FLAVORS", "Logged", "flavor_of", "log_model"]
