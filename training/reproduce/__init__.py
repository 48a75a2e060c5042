"""The table of systems, trained and measured row by row."""

from training.reproduce.page import line
from training.reproduce.results import Row
from training.reproduce.rows import Budget, Outcome, reproduce, table

__all__ = ["Budget", "Outcome", "Row", "line", "reproduce", "table"]
