"""Content negotiation: chooses an answer's media type by the Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from service.errors import NotAcceptable

JSON = "application/json"
NPY = "application/x-npy"
NPZ = "application/x-npz"
PNG = "image/png"
JPEG = "image/jpeg"
GIF = "image/gif"
WEBP = "image/webp"
MULTIPART = "multipart/form-data"
PROBLEM = "application/problem+json"

_KEPT_BYTES = 256
"""What was read from a header is kept where the header has at most so many bytes: clients choose what they send."""
_QUALITY = re.compile(r"[0-9]+(?:\.[0-9]*)?")

ARRAYS = (JSON, NPY, NPZ)
_ALIASES = {"image/jpg": JPEG}


@dataclass(frozen=True)
class MediaRange:
    """One entry of an Accept header: `image/*;q=0.8`."""

    kind: str
    subtype: str
    quality: float

    def precision(self, media_type: str) -> int:
        """How exactly the range names a type: 3 exactly, 2 by `image/*`, 1 by `*/*`, 0 not at all."""
        kind, _, subtype = media_type.partition("/")
        if (self.kind, self.subtype) == (kind, subtype):
            return 3
        if (self.kind, self.subtype) == (kind, "*"):
            return 2
        return 1 if (self.kind, self.subtype) == ("*", "*") else 0


def parse_accept(header: str) -> list[MediaRange]:
    """Parse the media ranges of an Accept header; invalid entries are ignored, as the RFC allows."""
    ranges = []
    for entry in header.split(","):
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        kind, slash, subtype = media.partition("/")
        if slash and kind and subtype:
            ranges.append(MediaRange(kind, subtype, _quality(parameters)))
    return ranges


def choose(accept: str | None, offers: Sequence[str], *, wildcards_fall_back: bool = False) -> str:
    """Choose the offer that the client prefers; the first where several are equal, or the header is missing.

    `wildcards_fall_back`: a header with wildcards only (`image/*`) gets the first offer where none fits.
    Raises NotAcceptable, which lists the offers.
    """
    ranges = parse_accept(accept) if accept is not None and accept.strip() else []
    if not ranges:
        return offers[0]
    qualities = [_quality_of(offer, ranges) for offer in offers]
    best = max(qualities)
    if best > 0:
        return offers[qualities.index(best)]
    if wildcards_fall_back and all(entry.subtype == "*" and entry.quality > 0 for entry in ranges):
        return offers[0]
    raise NotAcceptable(f"the answer can be {', '.join(offers)}; Accept asks for {accept!r}"[:500])


AnswerType = Callable[[bytes | None, tuple[str, ...], bool], str]


def answer_type_for(accept: bytes | None) -> AnswerType:
    """The function that gives the answer's type for an Accept header: with a cache, but for a long header."""
    return _answer_type if accept is None or len(accept) <= _KEPT_BYTES else _answer_type.__wrapped__


@lru_cache(maxsize=64)
def _answer_type(accept: bytes | None, offers: tuple[str, ...], wildcards_fall_back: bool) -> str:
    """`choose` for the raw bytes of an Accept header. Cached: clients send the same few headers again and again."""
    return choose(None if accept is None else accept.decode("latin-1"), offers, wildcards_fall_back=wildcards_fall_back)


def media_type(content_type: bytes) -> str:
    """The media type of a Content-Type header, without parameters; empty where it has none. Cached as well."""
    read = _media_type if len(content_type) <= _KEPT_BYTES else _media_type.__wrapped__
    return read(content_type)


@lru_cache(maxsize=64)
def _media_type(content_type: bytes) -> str:
    given = content_type.decode("latin-1").partition(";")[0].strip().lower()
    return _ALIASES.get(given, given)


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return min(float(value), 1.0) if _QUALITY.fullmatch(value.strip()) else 0.0
    return 1.0


def _quality_of(media_type: str, ranges: Sequence[MediaRange]) -> float:
    """The quality that the most precise matching range gives a media type; 0 where none matches."""
    fitting = [(entry.precision(media_type), entry.quality) for entry in ranges if entry.precision(media_type)]
    return max(fitting)[1] if fitting else 0.0
