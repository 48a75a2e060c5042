"""The head of a request: its headers and query, parsed once."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl

from starlette.types import Scope

from service.errors import BadHeader, InvalidValue, UnreadableBody
from service.wire.negotiation import answer_type_for, media_type

_LISTS = (b"accept", b"content-encoding", b"if-none-match")
_SECONDS = re.compile(rb"[0-9]+(?:\.[0-9]+)?")


class Head:
    """The headers and query parameters of a request that verbs need. Requests with equal heads may share one object."""

    __slots__ = (
        "accept",
        "answer_type",
        "content_encoding",
        "content_length",
        "content_type",
        "has_body",
        "if_none_match",
        "media_type",
        "model",
        "models",
        "options",
        "query",
        "timeout",
    )

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], query: bytes) -> None:
        """`headers` have names in lower case; `query` is the raw query string."""
        given = dict(reversed(headers))  # of repeated headers the first one counts; list headers are joined
        if len(given) != len(headers):
            for listed in _LISTS:
                if listed in given:
                    given[listed] = b",".join(value for name, value in headers if name == listed)
        self.accept = given.get(b"accept")
        self.answer_type = answer_type_for(self.accept)
        """Gives the type of the answer, of `accept`, the offers, and whether wildcards fall back on the first offer."""
        self.content_type = given.get(b"content-type")
        self.media_type = media_type(self.content_type) if self.content_type is not None else ""
        """Of the body, without parameters; empty where it is not said."""
        self.content_encoding = given.get(b"content-encoding")
        self.content_length = given.get(b"content-length")
        self.if_none_match = given.get(b"if-none-match")
        self.timeout = given.get(b"x-request-timeout")
        self.has_body = self.content_length not in (None, b"0") or b"transfer-encoding" in given
        self.query = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else []
        self.models = [value for name, value in self.query if name == "model"]
        self.model = self.models[0] if self.models else None
        """The first `model` of the query."""
        self.options = [(name, value) for name, value in self.query if name != "model"]
        """The query parameters other than `model`."""

    def check_model(self) -> None:
        """Raise InvalidValue where the query names more than one model."""
        if len(self.models) > 1:
            got = f"{len(self.models)} values"
            raise InvalidValue.at(["model"], "model is given twice", expected="one", got=got)

    def timeout_s(self, default_s: float, longest_s: float) -> float:
        """The timeout from X-Request-Timeout, in seconds. Raises BadHeader where it is no positive number."""
        if self.timeout is None:
            return default_s
        seconds = float(self.timeout) if _SECONDS.fullmatch(self.timeout) else math.nan
        if not (math.isfinite(seconds) and seconds > 0):
            got = self.timeout[:40].decode("latin-1")
            detail = "X-Request-Timeout must be positive seconds, such as 5 or 0.5"
            raise BadHeader.at(["X-Request-Timeout"], detail, expected="seconds", got=got)
        return min(seconds, longest_s)

    def body_bytes(self) -> int | None:
        """The value of Content-Length; None without one. Raises UnreadableBody where it is no number."""
        if self.content_length is None:
            return None
        if not self.content_length.isdigit():
            raise UnreadableBody("Content-Length is no number")
        return int(self.content_length)


def head_of(scope: Scope) -> Head:
    """Parse the head of an ASGI request."""
    return Head(scope["headers"], scope["query_string"])
