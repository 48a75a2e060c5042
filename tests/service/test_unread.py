"""What may be refused without parsing: exactly one posted request whose end is beyond doubt, and nothing else."""

from __future__ import annotations

import pytest

from service.unread import Unread, unread

HEAD = b"POST /encode HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (HEAD + b"\r\n12345", Unread(b"/encode", False, None, None, 5)),
        (HEAD.replace(b"Content-L", b"content-l") + b"\r\n1\r\n\r\n", Unread(b"/encode", False, None, None, 5)),
        (HEAD.replace(b"/encode", b"/p/decode?model=a%20b") + b"\r\n12345", Unread(b"/p/decode", True, None, None, 5)),
        (
            HEAD + b"X-Request-ID:  AbC-1 \r\nx-request-timeout: 0.5\r\n\r\n12345",
            Unread(b"/encode", False, b"AbC-1", b"0.5", 5),
        ),
        (HEAD + b"X-Request-ID: \r\n\r\n12345", Unread(b"/encode", False, b"", None, 5)),
    ],
)
def test_one_whole_request_is_recognised(data: bytes, found: Unread) -> None:
    assert unread(data) == found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEAD, id="half a head"),
        pytest.param(HEAD + b"\r\n1234", id="half a body"),
        pytest.param(HEAD + b"\r\n123456", id="more than a body"),
        pytest.param(HEAD + b"\r\n12345" + HEAD + b"\r\n12345", id="two requests"),
        pytest.param(HEAD.replace(b"POST", b"GET") + b"\r\n12345", id="another method"),
        pytest.param(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n12345", id="another version"),
        pytest.param(HEAD.replace(b"/encode", b"/en code") + b"\r\n12345", id="a blank in the target"),
        pytest.param(HEAD.replace(b"Content-Length: 5\r\n", b"") + b"\r\n", id="no length"),
        pytest.param(HEAD + b"Content-Length: 5\r\n\r\n12345", id="two lengths"),
        pytest.param(HEAD.replace(b": 5", b": 5, 5") + b"\r\n12345", id="a list of lengths"),
        pytest.param(HEAD.replace(b": 5", b": +5") + b"\r\n12345", id="a signed length"),
        pytest.param(HEAD.replace(b"Length:", b"Length :") + b"\r\n12345", id="a blank before the colon"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n12345", id="chunks"),
        pytest.param(HEAD + b"Connection: close\r\n\r\n12345", id="a connection that is to end"),
        pytest.param(HEAD + b"Expect: 100-continue\r\n\r\n12345", id="a client that waits"),
        pytest.param(HEAD + b"Upgrade: websocket\r\n\r\n12345", id="an upgrade"),
        pytest.param(HEAD + b"X: a\r\n b\r\n\r\n12345", id="a folded line"),
        pytest.param(HEAD + b"X: a\nContent-Length: 9\r\n\r\n12345", id="a bare line feed"),
        pytest.param(HEAD + b"X: a\rb\r\n\r\n12345", id="a bare carriage return"),
        pytest.param(HEAD + b"X: \0\r\n\r\n12345", id="a zero"),
        pytest.param(HEAD + b"X: " + 5000 * b"a" + b"\r\n\r\n12345", id="a long head"),
    ],
)
def test_whatever_leaves_a_doubt_is_parsed(data: bytes) -> None:
    assert unread(data) is None
