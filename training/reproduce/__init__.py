"""Reproducing the published figures: every measured recipe is trained, and is one row of a table."""

from training.reproduce.page import line
from training.reproduce.results import Row
from training.reproduce.rows import Budget, Outcome, reproduce, table

__all__ = ["Budget", "Outcome", "Row", "line", "reproduce", "table"]
