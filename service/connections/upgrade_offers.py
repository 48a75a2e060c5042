"""Ignoring a request's offer to upgrade: a server may do so (RFC 9110, 7.8)."""

from __future__ import annotations

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]


def head_without_offer(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """A head as bytes, without its Upgrade header and without `upgrade` among the options of Connection."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, target, version.encode())]
    for name, value in headers:
        if name != b"upgrade":
            lines.append(b"%b: %b\r\n" % (name, _without_upgrade(value) if name == b"connection" else value))
    return b"".join([*lines, b"\r\n"])


def _without_upgrade(connection: bytes) -> bytes:
    """A Connection header's options without `upgrade`; `keep-alive`, the default, where no other is left."""
    options = (option for option in connection.split(b",") if option.strip().lower() != b"upgrade")
    return b",".join(options) or b"keep-alive"
