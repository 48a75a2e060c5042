"""Makes the tags of a TIFF file that its pixels do not need unreadable."""

from __future__ import annotations

import struct

_TIFF_PIXELS = frozenset(
    {*range(254, 267), 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, *range(322, 326), 332, 334}
    | {*range(338, 342), 347, *range(512, 522), *range(529, 533)}
)
"""Tags that say how the pixels are stored, and the orientation."""


def tiff_without_metadata(data: bytes) -> bytes | None:
    """A TIFF file whose first directory says nothing but where its pixels are. None for what is no TIFF file.

    Other tags get a type that there is not, so that they are skipped.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    plain = bytearray(data)
    (at,) = struct.unpack_from(f"{order}I", plain, 4)
    if at + 2 > len(plain):
        return None
    (count,) = struct.unpack_from(f"{order}H", plain, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(plain) - 11), 12):
        if struct.unpack_from(f"{order}H", plain, entry)[0] not in _TIFF_PIXELS:
            struct.pack_into(f"{order}H", plain, entry + 2, 0)
    return bytes(plain)
