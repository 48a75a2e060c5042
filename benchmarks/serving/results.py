"""What a part answers, and the JSON file that keeps it."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ValidationError

from benchmarks.serving.errors import BenchError
from benchmarks.serving.machine import Machine

_NUMBERS = re.compile(r"\[\s*((?:-?\d[\d.eE+-]*,?\s*)+)\]")
"""A JSON list of numbers."""


class Table(BaseModel):
    """Text in rows, as it is shown on the terminal and on the page."""

    title: str
    headings: list[str]
    rows: list[list[str]]


class Outcome(BaseModel):
    """What a part found."""

    tables: list[Table]
    figures: dict[str, list[float]]
    """One number a round; see `figures.Figures`."""
    notes: list[str] = []
    """Sentences without which the tables would be misread."""
    pictures: list[str] = []
    """Files that were drawn, relative to the page; see `Bench.keeps`."""


class Measured(BaseModel):
    """An outcome, and what it holds for."""

    machine: Machine
    quick: bool
    """Measured with few and short rounds: a smoke test."""
    outcome: Outcome


class Results(BaseModel):
    """Every part that was measured, by its name."""

    parts: dict[str, Measured] = {}

    def figures(self) -> dict[str, list[float]]:
        """Those of every part."""
        return {name: values for part in self.parts.values() for name, values in part.outcome.figures.items()}

    def with_parts(self, newer: Results) -> Results:
        """These results, the parts of `newer` in place of their own."""
        return Results(parts={**self.parts, **newer.parts})


def read_results(path: Path) -> Results:
    """What `write_results` wrote; nothing where there is no such file. Raises BenchError for another file."""
    try:
        return Results.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Results()
    except ValidationError as error:
        raise BenchError(f"{path} holds no results of this benchmark: remove it and measure again") from error


def write_results(path: Path, results: Results) -> None:
    """As JSON to read in a diff: six digits a number, the rounds of a figure on one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = results.model_dump_json(indent=1)
    document = _NUMBERS.sub(lambda found: f"[{', '.join(_short(one) for one in found[1].split(','))}]", document)
    path.write_text(document + "\n", encoding="utf-8")


def _short(number: str) -> str:
    return f"{float(number):.6g}"
