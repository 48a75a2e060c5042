"""What a client may keep of an answer, and how it asks whether that still holds.

RFC 9110 (8.8.3 entity tags, 13.1.2 If-None-Match, 15.4.5 status 304), RFC 9111 (Cache-Control), RFC 8246 (immutable).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response

from model_store.versions import parse_reference
from service.wire.head import Head, head_of

FOR_EVER = "public, max-age=31536000, immutable"
"""Under a URL that names a version by its number, of which nothing ever changes."""
ASK_AGAIN = "no-cache"
"""Under a name whose meaning moves: kept, but asked for again before it is used."""

RELEASE = importlib.metadata.version("latent")
"""Another release may draw or write the same numbers otherwise."""

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is said of an answer that may be kept."""

    etag: str
    cache_control: str
    by_accept: bool = True
    """Whether the same URL has answers of several types."""

    @property
    def headers(self) -> dict[str, str]:
        """As headers of a 200 and of a 304 alike."""
        vary = {"Vary": "Accept"} if self.by_accept else {}
        return {"ETag": self.etag, "Cache-Control": self.cache_control, **vary}

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The same as they go over the wire."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]


class Precondition:
    """If-None-Match of a GET or HEAD request. What is no entity tag in it is passed over."""

    def __init__(self, head: Head) -> None:
        given = (head.if_none_match or b"").decode("latin-1")
        self._anything = given.strip() == "*"
        self._tags = frozenset(_TAG.findall(given))

    def names(self, keeping: Keeping) -> bool:
        """Whether the client has this very answer: it can be told so before anything is computed.

        Tags are compared weakly, as the RFC has it.
        """
        return keeping.etag in self._tags

    def holds(self, keeping: Keeping) -> bool:
        """Whether the client wants no body, once there is an answer: `*` means any answer, but no error."""
        return self._anything or self.names(keeping)


def tag(*parts: str | bytes) -> str:
    """A strong entity tag: the same parts, the same tag."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return f'"{digest.hexdigest()[:32]}"'


def cache_control_of(reference: str | None) -> str:
    """How long what `model=NAME…` answers holds: for ever where it names a version by its number.

    Raises BadName for what is no reference.
    """
    by_number = reference is not None and isinstance(parse_reference(reference).selector, int)
    return FOR_EVER if by_number else ASK_AGAIN


def not_modified(keeping: Keeping) -> Response:
    """304: what the client has still holds."""
    return Response(status_code=304, headers=keeping.headers)


def at_hand(
    request: Request, content: bytes, media_type: str, headers: Mapping[str, str] | None = None, etag: str | None = None
) -> Response:
    """An answer of one type whose bytes are at hand, to be asked for again; 304 where the client has them.

    `etag` is that of the content, where it is known.
    """
    keeping = Keeping(etag or tag(content), ASK_AGAIN, by_accept=False)
    if Precondition(head_of(request.scope)).holds(keeping):
        return not_modified(keeping)
    return Response(content, media_type=media_type, headers={**(headers or {}), **keeping.headers})
