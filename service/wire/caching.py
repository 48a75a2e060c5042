"""HTTP caching: entity tags, Cache-Control, and conditional requests (If-None-Match).

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
"""Cache-Control for a URL that names a version by its number: the answer never changes."""
ASK_AGAIN = "no-cache"
"""Cache-Control for a URL with a name that may move: the client may keep the answer, but must revalidate it."""

RELEASE = importlib.metadata.version("latent")
"""Part of every entity tag, because another release may draw or format the same numbers differently."""

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class CacheHeaders:
    """The caching headers of an answer that clients may keep."""

    etag: str
    cache_control: str
    by_accept: bool = True
    """Whether the URL has answers of several media types, so that `Vary: Accept` is needed."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name, for a 200 and for a 304."""
        vary = {"Vary": "Accept"} if self.by_accept else {}
        return {"ETag": self.etag, "Cache-Control": self.cache_control, **vary}

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as pairs of bytes, names in lower case."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]


class Precondition:
    """The If-None-Match header of a GET or HEAD request. Parts that are no entity tags are ignored."""

    def __init__(self, head: Head) -> None:
        given = (head.if_none_match or b"").decode("latin-1")
        self._anything = given.strip() == "*"
        self._tags = frozenset(_TAG.findall(given))

    def names(self, keeping: CacheHeaders) -> bool:
        """Whether the client already has this answer, so that a 304 can be sent before the answer is computed.

        Tags are compared weakly, as the RFC has it.
        """
        return keeping.etag in self._tags

    def holds(self, keeping: CacheHeaders) -> bool:
        """Whether a computed answer is to be sent as a 304: the client has it, or sent `*` (any answer, no error)."""
        return self._anything or self.names(keeping)


def tag(*parts: str | bytes) -> str:
    """Make a strong entity tag from parts: equal parts give equal tags."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return f'"{digest.hexdigest()[:32]}"'


def cache_control_of(reference: str | None) -> str:
    """Cache-Control for a request's `model` parameter: for ever where it names a version by its number.

    Raises BadName for an invalid reference.
    """
    by_number = reference is not None and isinstance(parse_reference(reference).selector, int)
    return FOR_EVER if by_number else ASK_AGAIN


def not_modified(keeping: CacheHeaders) -> Response:
    """A 304 response: the client's copy is still valid."""
    return Response(status_code=304, headers=keeping.headers)


def cacheable_response(
    request: Request, content: bytes, media_type: str, headers: Mapping[str, str] | None = None, etag: str | None = None
) -> Response:
    """A cacheable response whose bytes are already known, to be revalidated; 304 where the client has them.

    `etag` is the entity tag of the content, if the caller knows it.
    """
    keeping = CacheHeaders(etag or tag(content), ASK_AGAIN, by_accept=False)
    if Precondition(head_of(request.scope)).holds(keeping):
        return not_modified(keeping)
    return Response(content, media_type=media_type, headers={**(headers or {}), **keeping.headers})
