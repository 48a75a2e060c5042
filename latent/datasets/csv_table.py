"""CSV of vectors: rows of numbers under a header, or without one, separated by commas, semicolons or tabs."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from latent.datasets.base import Array, Chunk, Wanted
from latent.datasets.columns import select
from latent.errors import CommandError
from model_store.text_encodings import other_encoding_of

Rows = Iterator[tuple[int, list[str]]]


class CsvDataset:
    """A CSV file. Columns are matched by name if names are known; a first line of only numbers is data."""

    count: int | None = None

    def __init__(self, path: Path, wanted: Wanted) -> None:
        """Read the header. Raises CommandError for an empty file, and for missing columns."""
        self.path = path
        first = next(self._rows(), (0, []))[1]
        if not first:
            raise CommandError(f"{path} is empty")
        self._headless = all(_is_number(cell) for cell in first)
        self._header = [str(at) for at in range(len(first))] if self._headless else [cell.strip() for cell in first]
        self._selection = select(path, self._header, wanted, headless=self._headless)
        self.labelled = self._selection.label is not None

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks float64 (n, columns). Errors name the column and the row, by its line number from 1."""
        rows, start = self._rows(), 0
        if not self._headless:
            next(rows)
        while piece := list(itertools.islice(rows, size)):
            yield Chunk(start, self._numbers(piece), self._labels(piece))
            start += len(piece)

    def _rows(self) -> Rows:
        """Read line numbers and cells of all rows that are not blank."""
        try:
            encoding = other_encoding_of(self.path)
            if encoding is not None:
                raise CommandError(f"{self.path} is {encoding}; expected UTF-8: save it as that")
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                delimiter = max(",;\t", key=file.readline().count)
                file.seek(0)
                reader = csv.reader(file, delimiter=delimiter, strict=True)
                for cells in reader:
                    if cells:
                        yield reader.line_num, cells
        except (UnicodeDecodeError, csv.Error) as error:
            raise CommandError(f"{self.path} cannot be read as CSV ({error})") from error

    def _numbers(self, rows: list[tuple[int, list[str]]]) -> Array:
        positions, width = self._selection.positions, len(self._header)
        values: list[list[float]] = []
        for line, cells in rows:
            if len(cells) != width:
                raise CommandError(
                    f"{self.path}, row {line}: {len(cells)} cells; expected {width}, as in the first row"
                )
            try:
                values.append([float(cells[at]) for at in positions])
            except ValueError:
                raise self._complaint(line, cells) from None
        numbers = np.array(values, np.float64)
        # float() takes 1_000, which is no number in any table
        if not np.isfinite(numbers).all() or any("_" in cells[at] for _, cells in rows for at in positions):
            for line, cells in rows:
                if not all(_is_finite(cells[at]) for at in positions):
                    raise self._complaint(line, cells)
        return numbers

    def _labels(self, rows: list[tuple[int, list[str]]]) -> list[str] | None:
        at = self._selection.label
        if at is None:
            return None
        for line, cells in rows:
            if not cells[at].strip():
                where = f"{self.path}, row {line}, column {self._header[at]!r}"
                raise CommandError(f"{where}: expected a label, got an empty cell")
        return [cells[at].strip() for _, cells in rows]

    def _complaint(self, line: int, cells: list[str]) -> CommandError:
        at = next(at for at in self._selection.positions if not _is_finite(cells[at]))
        got = repr(cells[at].strip()) if cells[at].strip() else "an empty cell"
        return CommandError(
            f"{self.path}, row {line}, column {self._header[at]!r}: expected a finite number, got {got}"
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_finite(cell: str) -> bool:
    return _is_number(cell) and math.isfinite(float(cell))
