"""What a request says before its body: headers and query, read once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.types import Scope

from service.errors import BadHeader, InvalidValue, UnreadableBody, UnsupportedMediaType
from service.wire.negotiation import JPEG, JSON, choose

_ALIASES = {"image/jpg": JPEG}
_LISTS = (b"accept", b"if-none-match")


class Head:
    """The parts of a request that a verb asks for."""

    __slots__ = ("headers", "query")

    def __init__(self, scope: Scope) -> None:
        given: list[tuple[bytes, bytes]] = scope["headers"]
        self.headers = dict(reversed(given))  # the first of several, but for lists
        if len(self.headers) != len(given):
            for listed in _LISTS:
                if listed in self.headers:
                    self.headers[listed] = b",".join(value for name, value in given if name == listed)
        text = scope["query_string"]
        self.query = parse_qsl(text.decode("latin-1"), keep_blank_values=True) if text else []

    def text(self, name: bytes) -> str | None:
        """A header's value."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def model(self) -> str | None:
        """The query's `model`. Raises InvalidValue where it is given twice."""
        if not self.query:
            return None
        given = [value for name, value in self.query if name == "model"]
        if len(given) > 1:
            raise InvalidValue.at(["model"], "model is given twice", expected="one", got=f"{len(given)} values")
        return given[0] if given else None

    @property
    def has_options(self) -> bool:
        """Whether the query says more than one `model`."""
        return bool(self.query) and (len(self.query) > 1 or self.query[0][0] != "model")

    @property
    def options(self) -> list[tuple[str, str]]:
        """The query without `model`."""
        return [(name, value) for name, value in self.query if name != "model"]

    def timeout_s(self, default_s: float, longest_s: float) -> float:
        """X-Request-Timeout, in seconds. Raises BadHeader for what is no positive number."""
        return read_timeout_s(self.text(b"x-request-timeout"), default_s, longest_s)

    def answer_type(self, offers: tuple[str, ...], *, picture_first: bool) -> str:
        """Which of the offers Accept means. Raises NotAcceptable."""
        accept = self.headers.get(b"accept")
        chosen = _kept_choice if accept is None or len(accept) <= _KEPT_BYTES else _chosen
        return chosen(accept, offers, picture_first)

    def body_type(self, accepted: Sequence[str]) -> str:
        """The media type of the body. Raises UnsupportedMediaType."""
        headers = self.headers
        content_type = headers.get(b"content-type", b"")
        given = (_kept_media_type if len(content_type) <= _KEPT_BYTES else _media_type)(content_type)
        if not given and headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
            given = JSON  # a bare POST: the defaults of every option
        if given not in accepted:
            raise UnsupportedMediaType(
                f"the body's Content-Type must be one of {', '.join(accepted)}, not {given[:60] or 'nothing'}"
            )
        return given

    def content_length(self) -> int | None:
        """Content-Length. Raises UnreadableBody where it is no number."""
        text = self.headers.get(b"content-length")
        if text is None:
            return None
        if not text.isdigit():
            raise UnreadableBody("Content-Length is no number")
        return int(text)


def read_timeout_s(text: str | None, default_s: float, longest_s: float) -> float:
    """X-Request-Timeout, in seconds. Raises BadHeader for what is no positive number."""
    if text is None:
        return default_s
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise BadHeader.at(
            ["X-Request-Timeout"], "X-Request-Timeout must be positive seconds", expected="seconds", got=text[:40]
        )
    return min(seconds, longest_s)


def _chosen(accept: bytes | None, offers: tuple[str, ...], wildcards_fall_back: bool) -> str:
    text = None if accept is None else accept.decode("latin-1")
    return choose(text, offers, wildcards_fall_back=wildcards_fall_back)


def _media_type(content_type: bytes) -> str:
    given = content_type.decode("latin-1").partition(";")[0].strip().lower()
    return _ALIASES.get(given, given)


_KEPT_BYTES = 1 << 10
"""Clients send the same few headers again and again; what is longer is not kept."""
_kept_choice = lru_cache(maxsize=256)(_chosen)
_kept_media_type = lru_cache(maxsize=256)(_media_type)
