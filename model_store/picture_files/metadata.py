"""The orientation of a picture, out of EXIF or XMP; and a picture file without the metadata."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

MOST_PARTS = 100_000
"""Chunks of a PNG or WebP file, or segments of a JPEG file. A picture of 2²⁷ pixels has some 20,000."""
METADATA_BYTES = 1 << 20
"""So much of a text or of an XMP packet is looked at: the orientation stands near its beginning."""

_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_TAG_ORIENTATION = 0x0112
_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I"}
"""TIFF's types of integers, as `struct` has them: SHORT, LONG, SSHORT, SLONG, IFD."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture file without what its pixels do not need."""

    pixels: bytes
    """The same file, or a shorter one with the same pixels."""
    orientation: int | None
    """EXIF's orientation: 1 is upright, 2 to 8 are to be turned. None for a kind of file that is not taken apart."""


@dataclass(slots=True)
class Metadata:
    """The parts of a file that may have its orientation."""

    exif: list[bytes] = field(default_factory=list)
    xmp: bytes = b""

    def orientation(self) -> int:
        """EXIF's orientation; where EXIF has none, that of XMP; else 1."""
        found = _exif_orientation(b"".join(self.exif))
        if found is None:
            match = _XMP_ORIENTATION.search(self.xmp, 0, METADATA_BYTES)
            found = int(match[1]) if match else 1
        return found if 1 <= found <= 8 else 1


def _exif_orientation(block: bytes) -> int | None:
    """The orientation in an EXIF block; None where it has none that can be read.

    Looks at the first directory alone, entry by entry: whatever else the block says does not matter.
    """
    block = block.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")  # some programs write it twice
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return None
    number, at = struct.unpack_from(f"{order}HI", block, 2)
    if number != 42 or at + 2 > len(block):
        return None
    (count,) = struct.unpack_from(f"{order}H", block, at)
    whole = min(count, (len(block) - at - 2) // 12)
    for tag, kind, length, value in struct.iter_unpack(f"{order}HHI4s", block[at + 2 : at + 2 + 12 * whole]):
        if tag == _TAG_ORIENTATION and length == 1 and kind in _INTEGERS:
            return int(struct.unpack_from(f"{order}{_INTEGERS[kind]}", value)[0])
    return None
