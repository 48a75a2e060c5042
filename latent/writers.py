"""Writers of rows to files, one a format. Each gets the rows in order, and is then finished."""

from __future__ import annotations

import csv
import io
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from latent.datasets.parquet_table import NEEDS_PYARROW
from latent.errors import CommandError
from latent.rows import Columns, Rows

_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 64 << 20


class Writer(Protocol):
    """A writer of one file; any of its methods may raise OSError."""

    def write(self, rows: Rows) -> None:
        """Add rows."""

    def finish(self) -> None:
        """Write buffered rows, and what is known only at the end."""

    def close(self) -> None:
        """Release resources, finished or not; raises nothing."""


def writer_for(path: Path, file: IO[bytes]) -> Writer:
    """Make the writer for a file name's extension. Raises CommandError if its package is not installed."""
    match path.suffix.lower():
        case ".npy":
            return NpyWriter(file)
        case ".csv":
            return CsvWriter(file)
    return ParquetWriter(path, file)


def written(path: Path, rows: Rows) -> bytes:
    """Write all rows to bytes in the format of an extension. Raises CommandError as the writers do."""
    buffer = io.BytesIO()
    with closing(writer_for(path, buffer)) as writer:
        writer.write(rows)
        writer.finish()
    return buffer.getvalue()


class NpyWriter:
    """Writes `main` of all rows as .npy (numpy.lib.format, version 1.0)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._count = 0
        self._descr: Any = None
        self._item: tuple[int, ...] = ()

    def write(self, rows: Rows) -> None:
        """Write the header first, with a length that does not depend on the number of items, then rows."""
        main = np.ascontiguousarray(rows.main)
        if self._descr is None:
            self._descr, self._item = np.lib.format.dtype_to_descr(main.dtype), main.shape[1:]
            self._write_header()
        self._file.write(main.data)
        self._count += len(main)

    def finish(self) -> None:
        """Put the number of items into the header."""
        self._file.seek(0)
        self._write_header()

    def close(self) -> None:
        """Nothing is held."""

    def _write_header(self) -> None:
        header = {"descr": self._descr, "fortran_order": False, "shape": (self._count, *self._item)}
        np.lib.format.write_array_header_1_0(self._file, header)


class CsvWriter:
    """Writes CSV: a header, then a line an item with `file` and `label` if known, and the answer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begun = False

    def write(self, rows: Rows) -> None:
        """Write rows; numbers are in the shortest text that reads back exactly."""
        known = [(name, values) for name, values in _known(rows) if values is not None]
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        if not self._begun:
            writer.writerow([*(name for name, _ in known), *(name for name, _ in rows.text)])
            self._begun = True
        writer.writerows(
            zip(*(values for _, values in known), *(map(str, values) for _, values in rows.text), strict=True)
        )
        self._file.write(text.getvalue().encode())

    def finish(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is held."""


class ParquetWriter:
    """Writes Parquet: `index` from 0, `file` and `label` if known, then the answer; vectors are lists.

    Row groups of 65,536 rows, or of 64 MiB where that is less.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """Check for pyarrow. Raises CommandError if it is not installed."""
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as error:
            raise CommandError(NEEDS_PYARROW) from error
        self._arrow: Any = pa
        self._parquet: Any = parquet
        self._path, self._file = path, file
        self._writer: Any = None
        self._held: list[Any] = []
        self._held_bytes = 0

    def write(self, rows: Rows) -> None:
        """Buffer the rows until they fill a row group."""
        batch = self._batch(rows)
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if sum(map(len, self._held)) >= _GROUP_ROWS or self._held_bytes >= _GROUP_BYTES:
            self._write_group()

    def finish(self) -> None:
        """Write the last group and the footer."""
        self._write_group()
        self._writer.close()

    def close(self) -> None:
        """Close the native writer while its file is open; otherwise it would write to a closed file later."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer.is_open = False

    def _batch(self, rows: Rows) -> Any:  # noqa: ANN401 - pyarrow publishes no types
        n = len(rows)
        index = np.arange(rows.start, rows.start + n, dtype=np.int64)
        columns: Columns = [("index", index), *rows.typed]
        named = [(name, self._column(values)) for name, values in columns]
        named[1:1] = [(name, self._arrow.array(values)) for name, values in _known(rows) if values is not None]
        names = [name for name, _ in named]
        if twice := [name for name in names if names.count(name) > 1]:
            raise CommandError(f"{self._path}: two columns would be called {twice[0]!r}; .npy or .csv can hold them")
        return self._arrow.record_batch([values for _, values in named], names=names)

    def _column(self, values: np.ndarray[Any, Any]) -> Any:  # noqa: ANN401 - pyarrow publishes no types
        if values.ndim == 1:
            return self._arrow.array(values)
        flat = self._arrow.array(np.ascontiguousarray(values).ravel())
        return self._arrow.FixedSizeListArray.from_arrays(flat, values.shape[1])

    def _write_group(self) -> None:
        if not self._held:
            return
        table = self._arrow.Table.from_batches(self._held)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table, row_group_size=len(table))
        self._held, self._held_bytes = [], 0


def _known(rows: Rows) -> list[tuple[str, list[str] | None]]:
    """Columns of what the data set knows about its items: file and label."""
    return [("file", rows.files), ("label", rows.labels)]
