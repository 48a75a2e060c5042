"""Offline: from a data set to a published version of a model store. Nothing here is imported by the service."""

from training.catalogue import configure, load_recipe, recipe_names
from training.config import TrainConfig
from training.diagnosis import Finding
from training.errors import TrainingError
from training.export import Check
from training.pipeline import TrainResult, train

__all__ = [
    "Check",
    "Finding",
    "TrainConfig",
    "TrainResult",
    "TrainingError",
    "configure",
    "load_recipe",
    "recipe_names",
    "train",
]
