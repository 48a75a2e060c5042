"""Reading and writing the version's .npz files: plain arrays, never pickled objects, the same bytes every time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_archive(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a compressed .npz whose bytes depend on the arrays alone, not on the clock."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", _EPOCH), buffer.getvalue(), compress_type=zipfile.ZIP_DEFLATED
            )


def read_archive(path: Path) -> dict[str, Array]:
    """Read every array of an .npz. Raises ValueError for anything else, such as pickled objects and text."""
    try:
        arrays = _load(path)
    except ValueError:
        raise
    except Exception as error:  # zipfile and zlib have errors of many kinds for bytes that are none of theirs
        raise ValueError(f"no readable .npz archive ({type(error).__name__})") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} is no array of real numbers")
    return arrays


def _load(path: Path) -> dict[str, Array]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("no .npz archive")
        return {name: np.asarray(archive[name]) for name in archive.files}


def items_in(arrays: Mapping[str, Array], name: str) -> int:
    """How many items an array holds: the length of its first axis, 0 where it has none."""
    return arrays[name].shape[0] if arrays[name].ndim else 0
