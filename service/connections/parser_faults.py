"""What the parser complains of, as the error that the client gets."""

from __future__ import annotations

import httptools
import structlog

from service.errors import MalformedRequest, ServiceError, UnsupportedVersion

log = structlog.get_logger("latent.request")

_VERSION_REASONS = ("Invalid HTTP version", "Invalid major version", "PRI/Upgrade", "Connection Preface")
_DETAILS = {
    "chunk": "a chunk of the body is not as RFC 9112 has it: its size in hex, CR LF, so many bytes, CR LF",
    "Content-Length": "Content-Length is no single number of bytes, or is given beside Transfer-Encoding",
    "Transfer-Encoding": "Transfer-Encoding is not chunked alone, or is given beside Content-Length",
    "header": "a header is not as RFC 9112 has it: a name, a colon, a value without control characters, CR LF",
    "method": "the method is unknown; or this is no HTTP at all, but perhaps TLS",
    "url": "the target has a character that is not allowed there",
}
"""By a word of the parser's complaint. Where another release words it differently, the general detail is given."""
_GENERAL = "this is no HTTP/1.1 request: a request line, headers and an empty line, each ending with CR LF"


def fault_of_parser(error: httptools.HttpParserError) -> ServiceError:
    """The error to answer for what the parser has raised. An exception in a callback is a fault of the service."""
    cause = error.__context__
    if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
        cause, httptools.HttpParserError | type(None)
    ):
        log.error("failed", exc_info=cause)
        return ServiceError("something went wrong; the service's log has the cause")
    reason = str(error)
    if any(words in reason for words in _VERSION_REASONS):
        return UnsupportedVersion("this version of HTTP is not served here: use HTTP/1.1")
    return MalformedRequest(next((detail for word, detail in _DETAILS.items() if word in reason), _GENERAL))
