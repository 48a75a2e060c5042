"""Errors of a training run that a user can correct. `str(error)` is one sentence for a person, on one line."""

from __future__ import annotations


class TrainingError(Exception):
    """Base of all errors that a user can correct: in a setting, a file or a store."""


class UnknownRecipe(TrainingError):
    """There is no recipe of that name."""


class BadSetting(TrainingError):
    """A setting's key is unknown, or its value is not what the setting takes."""


class DataError(TrainingError):
    """The data cannot be found, read, or trained on as it is."""


class RunInUse(TrainingError):
    """Another process trains a model of that name in that store."""


class NothingToResume(TrainingError):
    """There is no interrupted run, or it was made with other settings or other data."""


class Diverged(TrainingError):
    """The loss is no longer a finite number."""
