"""Reading and writing the version's .npz files: plain arrays, never pickled objects, the same bytes every time.

An archive is read within a limit: a few kilobytes of zip may unpack to gigabytes.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from model_store.files import TooLarge, open_regular, words
from model_store.litter import holds_litter

Array = NDArray[Any]

MAX_ARRAYS = 20_000
"""Most arrays in an archive."""
SPARE_BYTES = 64 << 20
"""Bytes that any archive of a version may unpack to, beyond what its arrays need by the manifest's shapes."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIECE_BYTES = 1 << 20
_READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def write_archive(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as a compressed .npz whose bytes depend on the arrays alone, not on the clock."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", _EPOCH), buffer.getvalue(), compress_type=zipfile.ZIP_DEFLATED
            )


def read_archive(path: Path, max_bytes: int | None = None) -> dict[str, Array]:
    """Read every array of an .npz that unpacks to at most `max_bytes`; None: whatever it unpacks to.

    Raises ValueError for anything else, such as pickled objects, text, a pipe in the place of the file, or a file that
    cannot be read.
    """
    try:
        return _load(path, max_bytes)
    except ValueError:
        raise
    except OSError as error:
        raise ValueError(f"it cannot be read ({words(error)})") from error
    except Exception as error:  # zipfile and zlib have errors of many kinds for bytes that are none of theirs
        raise ValueError(f"no readable .npz archive ({type(error).__name__})") from error


def _load(path: Path, max_bytes: int | None) -> dict[str, Array]:
    with open_regular(path) as file:
        if max_bytes is not None and (size := os.fstat(file.fileno()).st_size) > max_bytes:
            raise TooLarge(path, max_bytes, size)
        with zipfile.ZipFile(file) as archive:
            members = [member for member in archive.infolist() if not holds_litter(member.filename)]
            if len(members) > MAX_ARRAYS:
                raise ValueError(f"it holds {len(members)} arrays; at most {MAX_ARRAYS} are read")
            unpacked = sum(member.file_size for member in members)
            if max_bytes is not None and unpacked > max_bytes:
                raise ValueError(f"it unpacks to {unpacked} bytes; at most {max_bytes} are read")
            arrays = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                with archive.open(member) as packed:
                    arrays[name] = _read_array(packed, name, member.file_size)
            return arrays


def _read_array(file: IO[bytes], name: str, size: int) -> Array:
    """Read one array of an archive. Its header says what is allocated, so it must not say more than `size` bytes."""
    version = np.lib.format.read_magic(file)
    if version not in _READ_HEADER:
        raise ValueError(f"{name} has the .npy format {version[0]}, which is not read")
    shape, in_fortran_order, dtype = _READ_HEADER[version](file)
    if dtype.kind not in "biuf":
        raise ValueError(f"{name} is no array of real numbers")
    count = math.prod(shape)
    if not 0 <= count * dtype.itemsize <= size:
        raise ValueError(f"{name} is shorter than its header says")
    array = np.empty(count, dtype)
    whole, filled = array.view(np.uint8), 0
    while filled < len(whole) and (piece := file.read(min(_PIECE_BYTES, len(whole) - filled))):
        whole[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    if filled < len(whole):
        raise ValueError(f"{name} is shorter than its header says")
    file.read(1)  # the archive's checksum of the array is compared where its end is met
    return array.reshape(shape[::-1]).T if in_fortran_order else array.reshape(shape)


def items_in(arrays: Mapping[str, Array], name: str) -> int:
    """How many items an array holds: the length of its first axis, 0 where it has none."""
    return arrays[name].shape[0] if arrays[name].ndim else 0
