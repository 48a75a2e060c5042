"""The results of parts, and the JSON file that keeps them."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ValidationError

from benchmarks.serving.errors import BenchError
from benchmarks.serving.machine import Machine

_NUMBERS = re.compile(r"\[\s*((?:-?\d[\d.eE+-]*,?\s*)+)\]")
"""A JSON list of numbers."""


class Table(BaseModel):
    """A table of text, for the terminal and for the page."""

    title: str
    headings: list[str]
    rows: list[list[str]]


class Outcome(BaseModel):
    """The result of one part: figures, tables, notes and pictures."""

    tables: list[Table]
    figures: dict[str, list[float]]
    """One number for each round; see `figures.Figures`."""
    notes: list[str] = []
    """Sentences that readers need to understand the tables."""
    pictures: list[str] = []
    """Files of drawn pictures, relative to the page; see `Bench.keeps`."""


class Measured(BaseModel):
    """An outcome with the machine that it was measured on."""

    machine: Machine
    quick: bool
    """Whether the rounds were few and short, as a smoke test."""
    outcome: Outcome


class Results(BaseModel):
    """The results of all measured parts, by name."""

    parts: dict[str, Measured] = {}

    def figures(self) -> dict[str, list[float]]:
        """The figures of all parts."""
        return {name: values for part in self.parts.values() for name, values in part.outcome.figures.items()}

    def with_parts(self, newer: Results) -> Results:
        """These results, with the parts of `newer` replaced or added."""
        return Results(parts={**self.parts, **newer.parts})


def read_results(path: Path) -> Results:
    """Read the file that `write_results` wrote; empty without a file. Raises BenchError for an invalid file."""
    try:
        return Results.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Results()
    except ValidationError as error:
        raise BenchError(f"{path} holds no results of this benchmark: remove it and measure again") from error


def write_results(path: Path, results: Results) -> None:
    """Write results as JSON that is easy to read in a diff: six digits, the rounds of a figure on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = results.model_dump_json(indent=1)
    document = _NUMBERS.sub(lambda found: f"[{', '.join(_short(one) for one in found[1].split(','))}]", document)
    path.write_text(document + "\n", encoding="utf-8")


def _short(number: str) -> str:
    return f"{float(number):.6g}"
