"""The rules for a request's head: what RFC 9110 and RFC 9112 ask for beyond what the parser checks.

The parser (llhttp) checks the grammar: line ends, characters of names and values, digits of lengths. It does not check
Host, the form of the target, the transfer coding, the expectation or the version. Pure functions: nothing is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from service.errors import (
    MalformedRequest,
    ServiceError,
    UnknownExpectation,
    UnsupportedTransferCoding,
    UnsupportedVersion,
)

Headers = Sequence[tuple[bytes, bytes]]

MAX_HOST_BYTES = 255
MAX_LENGTH_DIGITS = 18
"""More digits do not fit into the 64 bits that other programs count with."""

_USUAL_TARGET = re.compile(rb"/[!\"$&-~]*")
"""A path with or without a query: visible ASCII, no fragment, nothing escaped."""
_KEPT_TARGET_BYTES = 256
_TARGET = re.compile(rb"[!\"$-~]+")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(/?)(.*)", re.IGNORECASE | re.DOTALL)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?")
_LENGTH = re.compile(rb"[0-9]+")

_OF_THE_HEAD = frozenset({b"connection", b"content-length", b"expect", b"host", b"transfer-encoding", b"upgrade"})
"""Fields that decide how a request is read: they come too late in a trailer (RFC 9110, 6.5.1)."""


def is_usual(target: bytes, version: str, headers: Headers) -> bool:
    """Whether a head is one of the usual kind, in which nothing can be wrong. Costs less than a microsecond.

    Names of headers are in lower case. Any other head goes through `fault_of`.
    """
    given = dict(headers)
    host = given.get(b"host")
    return (
        host is not None
        and version == "1.1"
        and len(given) == len(headers)  # no header comes twice
        and len(target) <= _KEPT_TARGET_BYTES
        and len(host) <= MAX_HOST_BYTES
        and _are_usual(target, host)
        and b"transfer-encoding" not in given
        and b"expect" not in given
        and len(given.get(b"content-length", b"")) <= MAX_LENGTH_DIGITS
    )


@lru_cache(maxsize=256)
def _are_usual(target: bytes, host: bytes) -> bool:
    """Whether a target and a host have their usual form. Cached: clients send the same few again and again."""
    return _USUAL_TARGET.fullmatch(target) is not None and _HOST.fullmatch(host) is not None


def fault_of(method: bytes, target: bytes, version: str, headers: Headers) -> ServiceError | None:
    """The first rule that a head breaks, as the error to answer; None for a head that breaks none."""
    if version not in ("1.0", "1.1"):
        return UnsupportedVersion(f"HTTP/{version} is not served here: use HTTP/1.1")
    return (
        _fault_of_target(method, target)
        or _fault_of_host(_values(headers, b"host"), version)
        or _fault_of_framing(_values(headers, b"transfer-encoding"), _values(headers, b"content-length"), version)
        or _fault_of_expectation(_values(headers, b"expect"), version)
    )


def expects_continue(version: str, headers: Headers) -> bool:
    """Whether the client waits for `100 Continue`; a client of HTTP/1.0 never does (RFC 9110, 10.1.1)."""
    return version == "1.1" and bool(_values(headers, b"expect"))


def split_absolute(target: bytes) -> tuple[bytes, bytes] | None:
    """The authority, and the path with the query, of an absolute target (`http://host/path`); None for another form."""
    found = _ABSOLUTE.fullmatch(target)
    return None if found is None else (found[1], b"/" + found[3])


def fault_of_trailers(trailers: Headers) -> ServiceError | None:
    """The error to answer where a trailer names a field that belongs into the head; else None."""
    for name, _ in trailers:
        if name in _OF_THE_HEAD:
            return _malformed(name, "is no trailer", expected="in the head", got="after the body")
    return None


# -- rule by rule ------------------------------------------------------------------------------------------


def _fault_of_target(method: bytes, target: bytes) -> ServiceError | None:
    if method == b"CONNECT":
        return MalformedRequest("CONNECT asks for a tunnel, and this is no proxy")
    if not _TARGET.fullmatch(target):
        return MalformedRequest("the target has a fragment, or a character that has to be escaped as %XX")
    absolute = split_absolute(target)
    if absolute is not None:
        authority, target = absolute
        if not _is_valid_host(authority):
            return MalformedRequest("the target's authority is no host with an optional port")
    if target == b"*" and method == b"OPTIONS":
        return None
    if not target.startswith(b"/"):
        return MalformedRequest("the target must be a path, or an http URL")
    if _BAD_ESCAPE.search(target.partition(b"?")[0]):
        return MalformedRequest("the path has a % that is no escape, or an escaped NUL")
    return None


def _fault_of_host(given: Sequence[bytes], version: str) -> ServiceError | None:
    if len(given) > 1:
        return _malformed(b"Host", "is given twice", expected="one", got=f"{len(given)} values")
    if not given:
        return None if version == "1.0" else _malformed(b"Host", "is missing", expected="one", got="none")
    if not _is_valid_host(given[0]):
        return _malformed(b"Host", "is invalid", expected="a host with an optional port", got=_shown(given[0]))
    return None


def _fault_of_framing(codings: Sequence[bytes], lengths: Sequence[bytes], version: str) -> ServiceError | None:
    """How the body's end is found must be clear beyond doubt: whoever stands in between has to find the same end."""
    if codings and version == "1.0":
        return _malformed(b"Transfer-Encoding", "is not known to HTTP/1.0", expected="none", got=_shown(codings[0]))
    if codings and lengths:
        return _malformed(b"Content-Length", "is given beside chunks", expected="one of both", got="both")
    if codings == [b""]:
        return _malformed(b"Transfer-Encoding", "is empty", expected="chunked", got="nothing")
    if len(codings) > 1:
        return _malformed(b"Transfer-Encoding", "is given twice", expected="one", got=f"{len(codings)} values")
    if codings and codings[0].lower() != b"chunked":
        detail, got = "only chunked is supported", _shown(codings[0])
        return UnsupportedTransferCoding.at(["Transfer-Encoding"], detail, expected="chunked", got=got)
    if len(lengths) > 1:
        return _malformed(b"Content-Length", "is given twice", expected="one", got=f"{len(lengths)} values")
    if lengths and not (len(lengths[0]) <= MAX_LENGTH_DIGITS and _LENGTH.fullmatch(lengths[0])):
        expected = f"at most {MAX_LENGTH_DIGITS} digits"
        return _malformed(b"Content-Length", "is invalid", expected=expected, got=_shown(lengths[0]))
    return None


def _fault_of_expectation(given: Sequence[bytes], version: str) -> ServiceError | None:
    if version == "1.0" or all(value.lower() == b"100-continue" for value in given):
        return None
    got = _shown(b", ".join(given))
    return UnknownExpectation.at(["Expect"], "the expectation is unknown", expected="100-continue", got=got)


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _is_valid_host(value: bytes) -> bool:
    return len(value) <= MAX_HOST_BYTES and _HOST.fullmatch(value) is not None


def _malformed(name: bytes, what: str, *, expected: str, got: str) -> ServiceError:
    field = name.decode("ascii")
    return MalformedRequest.at([field], f"{field} {what}", expected=expected, got=got)


def _shown(value: bytes) -> str:
    """What came, for an error: at most 60 characters."""
    text = value.decode("latin-1")
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
