"""Parquet of vectors: a column a number, or one column of lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from latent.datasets.base import Array, Chunk, Wanted, label_text
from latent.datasets.columns import select
from latent.errors import CommandError

Arrow = Any
"""pyarrow publishes no types."""

NEEDS_PYARROW = ".parquet needs pyarrow: pip install '.[parquet]'"


class ParquetDataset:
    """A Parquet file, read by row groups; only the wanted columns are read."""

    def __init__(self, path: Path, wanted: Wanted) -> None:
        """Read the schema. Raises CommandError for a file that is not Parquet, missing columns or missing pyarrow."""
        try:
            from pyarrow import ArrowException, types
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise CommandError(NEEDS_PYARROW) from error
        self.path = path
        path.open("rb").close()  # a missing file is said in the system's words, not in Arrow's
        try:
            with ParquetFile(path) as file:
                self.count: int | None = file.metadata.num_rows
                schema = file.schema_arrow
        except (ArrowException, OSError) as error:
            raise CommandError(f"{path} cannot be read as Parquet") from error
        header = list(schema.names)
        lists = [name for name in wanted.arrays if name in header and _is_list(types, schema.field(name).type)]
        if lists:
            wanted = replace(wanted, columns=lambda _: lists[:1])
        self._listed = bool(lists)
        self._selection = select(path, header, wanted)
        self._header = header
        self.labelled = self._selection.label is not None

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Chunks float64 (n, columns), also from a column of lists. Errors name the row, from 1, and the column."""
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        label = self._selection.label
        names = [*self._selection.names, *([self._header[label]] if label is not None else [])]
        start = 0
        try:
            # Buffered ahead, whole row groups would be held until the last of them is read.
            with ParquetFile(self.path, pre_buffer=False) as file:
                for batch in file.iter_batches(size, columns=names):
                    yield Chunk(start, self._items(batch, start), self._labels(batch, start))
                    start += batch.num_rows
        except (ArrowException, OSError) as error:
            raise CommandError(f"{self.path} cannot be read as Parquet") from error

    def _items(self, batch: Arrow, start: int) -> Array:
        names = self._selection.names
        if self._listed:
            return self._vectors(names[0], batch.column(names[0]), start)
        return np.stack([self._numbers(name, batch.column(name), start) for name in names], axis=1)

    def _numbers(self, name: str, column: Arrow, start: int) -> Array:
        self._require_values(name, column, start)
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind not in "buif":
            raise CommandError(f"{self.path}, column {name!r}: expected numbers, got {column.type}")
        numbers = values.astype(np.float64)
        if not np.isfinite(numbers).all():
            at = int((~np.isfinite(numbers)).argmax())
            raise CommandError(
                f"{self.path}, row {start + at + 1}, column {name!r}: expected a finite number, got {numbers[at]}"
            )
        return np.asarray(numbers)

    def _vectors(self, name: str, column: Arrow, start: int) -> Array:
        """Convert lists of one length to an array (n, length)."""
        self._require_values(name, column, start)
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        if len(lengths) and (lengths != lengths[0]).any():
            at = int((lengths != lengths[0]).argmax())
            raise CommandError(
                f"{self.path}, row {start + at + 1}, column {name!r}: {lengths[at]} numbers; expected {lengths[0]}"
            )
        flat = column.flatten()
        if flat.null_count or flat.to_numpy(zero_copy_only=False).dtype.kind not in "buif":
            raise CommandError(f"{self.path}, column {name!r}: expected lists of numbers, got {column.type}")
        return np.asarray(flat.to_numpy(zero_copy_only=False).reshape(len(column), -1))

    def _labels(self, batch: Arrow, start: int) -> list[str] | None:
        if self._selection.label is None:
            return None
        name = self._header[self._selection.label]
        column = batch.column(name)
        self._require_values(name, column, start, "a label")
        return [label_text(value) for value in column.to_pylist()]

    def _require_values(self, name: str, column: Arrow, start: int, expected: str = "a finite number") -> None:
        if column.null_count:
            row = start + column.is_null().to_pylist().index(True) + 1
            raise CommandError(f"{self.path}, row {row}, column {name!r}: expected {expected}, got an empty cell")


def _is_list(types: Arrow, kind: Arrow) -> bool:
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
