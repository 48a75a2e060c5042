"""Writes the results of a whole run into docs/performance.md, between two marks."""

from __future__ import annotations

from pathlib import Path

from benchmarks.serving.errors import BenchError
from benchmarks.serving.parts import PARTS
from benchmarks.serving.results import Measured, Results, Table
from benchmarks.serving.targets import judgements, table

BEGIN = "<!-- written by python -m benchmarks.serving: begin -->"
END = "<!-- written by python -m benchmarks.serving: end -->"


def write_page(path: Path, results: Results) -> None:
    """Replace the text between the marks with the results. Raises BenchError unless each mark is there once."""
    path.write_text(between_marks(path.read_text(encoding="utf-8"), markdown(results)), encoding="utf-8")


def between_marks(page: str, text: str) -> str:
    """Return `page` with `text` between its marks. Raises BenchError unless the marks are there once and in order."""
    if (page.count(BEGIN), page.count(END)) != (1, 1) or page.index(BEGIN) > page.index(END):
        raise BenchError(f"the page must have {BEGIN!r} and then {END!r}, each once")
    return f"{page[: page.index(BEGIN)]}{BEGIN}\n\n{text.strip()}\n\n{page[page.index(END) :]}"


def markdown(results: Results) -> str:
    """The results as Markdown: the targets first, then every part in the order of a run."""
    sections = ["### Figures to reach", _markdown(table(judgements(results.figures())))]
    for name, title in PARTS.items():
        if name in results.parts:
            sections += _section(name, title, results.parts[name])
    return "\n\n".join(sections)


def _section(name: str, title: str, part: Measured) -> list[str]:
    tables = [text for one in part.outcome.tables for text in (f"**{one.title}**", _markdown(one))]
    heading = f"### {title[0].upper()}{title[1:]}"
    pictures = [f"![{title}]({path})" for path in part.outcome.pictures]
    return [heading, f"`--only {name}`. {part.machine.sentences()}", *part.outcome.notes, *tables, *pictures]


def _markdown(one: Table) -> str:
    lines = [one.headings, ["---"] * len(one.headings), *one.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
