"""Hostile and unusual requests as bytes, one line a rule, each with what a connection makes of it."""

from __future__ import annotations

import json

BODY = json.dumps({"z": [[0.5, -0.5]]}).encode()
TARGET = b"/decode?model=image"
LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKS = b"%x\r\n%b\r\n" % (len(BODY), BODY)
CHUNKED = b"Transfer-Encoding: chunked"
MALFORMED, VERSION, CODING, EXPECTATION = (
    "malformed-request",
    "unsupported-http-version",
    "unsupported-transfer-coding",
    "unknown-expectation",
)


def post(
    *fields: bytes,
    body: bytes = BODY,
    length: bytes | None = None,
    host: tuple[bytes, ...] = (b"Host: x",),
    target: bytes = TARGET,
    method: bytes = b"POST",
    version: bytes = b"HTTP/1.1",
) -> bytes:
    """A posted code with more `fields`. Its length is added, unless it is chunked; `length` is another one."""
    lines = [b"%b %b %b" % (method, target, version), *host, b"Content-Type: application/json", *fields]
    if length is not None or not any(field.lower().startswith(b"transfer-encoding") for field in fields):
        lines.append(b"Content-Length: %b" % (b"%d" % len(body) if length is None else length))
    return b"\r\n".join([*lines, b"", body])


def chunked(chunks: bytes = CHUNKS, end: bytes = b"0\r\n\r\n", *fields: bytes) -> bytes:
    """A posted code in chunks."""
    return post(CHUNKED, *fields, body=chunks + end)


def get(target: bytes = b"/livez", *fields: bytes, host: bytes = b"Host: x", method: bytes = b"GET") -> bytes:
    """A request without a body."""
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), host, *fields, b"", b""])


REFUSED: dict[str, tuple[int, str, bytes]] = {
    # Host (RFC 9112, 3.2)
    "no Host": (400, MALFORMED, post(host=())),
    "two Hosts": (400, MALFORMED, post(host=(b"Host: x", b"Host: y"))),
    "the same Host twice": (400, MALFORMED, post(host=(b"Host: x", b"host: x"))),
    "two Hosts in HTTP/1.0": (400, MALFORMED, post(host=(b"Host: x", b"Host: y"), version=b"HTTP/1.0")),
    "an empty Host": (400, MALFORMED, post(host=(b"Host:",))),
    "a blank Host": (400, MALFORMED, post(host=(b"Host:  \t ",))),
    "Host with a path": (400, MALFORMED, post(host=(b"Host: x/y",))),
    "Host with a user": (400, MALFORMED, post(host=(b"Host: a@x",))),
    "Host with a blank": (400, MALFORMED, post(host=(b"Host: x y",))),
    "Host with a tab": (400, MALFORMED, post(host=(b"Host: x\ty",))),
    "Host with a NUL": (400, MALFORMED, post(host=(b"Host: x\0y",))),
    "Host as a list": (400, MALFORMED, post(host=(b"Host: x, y",))),
    "Host as a URL": (400, MALFORMED, post(host=(b"Host: http://x",))),
    "Host with a query": (400, MALFORMED, post(host=(b"Host: x?y",))),
    "Host with a fragment": (400, MALFORMED, post(host=(b"Host: x#y",))),
    "Host with a backslash": (400, MALFORMED, post(host=(b"Host: x\\y",))),
    "Host beyond ASCII": (400, MALFORMED, post(host=("Host: ä".encode(),))),
    "Host with a port that is none": (400, MALFORMED, post(host=(b"Host: x:http",))),
    "Host with a long port": (400, MALFORMED, post(host=(b"Host: x:123456",))),
    "Host with two ports": (400, MALFORMED, post(host=(b"Host: x:1:2",))),
    "Host that is a port": (400, MALFORMED, post(host=(b"Host: :80",))),
    "Host with half an IPv6 address": (400, MALFORMED, post(host=(b"Host: [::1",))),
    "Host of 256 bytes": (400, MALFORMED, post(host=(b"Host: " + b"x" * 256,))),
    # the version (RFC 9110, 15.6.6)
    "HTTP/2.0": (505, VERSION, post(version=b"HTTP/2.0")),
    "HTTP/3.0": (505, VERSION, post(version=b"HTTP/3.0")),
    "HTTP/1.2": (505, VERSION, post(version=b"HTTP/1.2")),
    "HTTP/9.9": (505, VERSION, post(version=b"HTTP/9.9")),
    "HTTP/0.9": (505, VERSION, post(version=b"HTTP/0.9")),
    "the preface of HTTP/2": (505, VERSION, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    "a request of HTTP/0.9": (505, VERSION, b"GET /livez\r\n\r\n"),
    "HTTP/10.1": (400, MALFORMED, post(version=b"HTTP/10.1")),
    "HTTP/1": (400, MALFORMED, post(version=b"HTTP/1")),
    "HTTP/1.1 with a blank behind": (400, MALFORMED, post(version=b"HTTP/1.1 ")),
    "http/1.1": (400, MALFORMED, post(version=b"http/1.1")),
    "another protocol": (400, MALFORMED, post(version=b"HTTQ/1.1")),
    # Transfer-Encoding (RFC 9112, 6.1)
    "gzip, chunked": (501, CODING, post(b"Transfer-Encoding: gzip, chunked", body=CHUNKS + b"0\r\n\r\n")),
    "identity": (501, CODING, post(b"Transfer-Encoding: identity")),
    "identity, chunked": (501, CODING, post(b"Transfer-Encoding: identity, chunked", body=CHUNKS + b"0\r\n\r\n")),
    "xchunked": (501, CODING, post(b"Transfer-Encoding: xchunked", body=CHUNKS + b"0\r\n\r\n")),
    "chunkedx": (501, CODING, post(b"Transfer-Encoding: chunkedx", body=CHUNKS + b"0\r\n\r\n")),
    "gzip": (501, CODING, post(b"Transfer-Encoding: gzip")),
    "quoted chunked": (501, CODING, post(b'Transfer-Encoding: "chunked"')),
    "chunked;q=1": (501, CODING, post(b"Transfer-Encoding: chunked;q=1", body=CHUNKS + b"0\r\n\r\n")),
    "chunked, identity": (400, MALFORMED, post(b"Transfer-Encoding: chunked, identity", body=CHUNKS + b"0\r\n\r\n")),
    "chunked, chunked": (400, MALFORMED, post(b"Transfer-Encoding: chunked, chunked", body=CHUNKS + b"0\r\n\r\n")),
    "two codings": (400, MALFORMED, post(CHUNKED, CHUNKED, body=CHUNKS + b"0\r\n\r\n")),
    "identity beside chunked": (400, MALFORMED, post(b"Transfer-Encoding: identity", CHUNKED, body=b"0\r\n\r\n")),
    "an empty coding": (400, MALFORMED, post(b"Transfer-Encoding:")),
    "chunks in HTTP/1.0": (400, MALFORMED, post(CHUNKED, body=CHUNKS + b"0\r\n\r\n", version=b"HTTP/1.0")),
    "chunks and a length": (400, MALFORMED, post(CHUNKED, length=b"4", body=b"0\r\n\r\n")),
    "a length and chunks": (400, MALFORMED, post(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n")),
    "a folded coding": (400, MALFORMED, post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS + b"0\r\n\r\n")),
    # Content-Length (RFC 9112, 6.2)
    "length +5": (400, MALFORMED, post(length=b"+5")),
    "length -1": (400, MALFORMED, post(length=b"-1")),
    "length 5, 5": (400, MALFORMED, post(length=b"5, 5")),
    "length 0x5": (400, MALFORMED, post(length=b"0x5")),
    "length 5.0": (400, MALFORMED, post(length=b"5.0")),
    "length 1 0": (400, MALFORMED, post(length=b"1 0")),
    "length of 19 digits": (400, MALFORMED, post(length=b"9" * 19)),
    "length of 20 digits": (400, MALFORMED, post(length=b"18446744073709551615")),
    "length of 21 digits": (400, MALFORMED, post(length=b"9" * 21)),
    "an empty length": (400, MALFORMED, post(length=b"")),
    "length in Arabic": (400, MALFORMED, post(length="٥".encode())),
    "two lengths": (400, MALFORMED, post(b"Content-Length: 5")),
    "the same length twice": (400, MALFORMED, post(b"Content-Length: %d" % len(BODY))),
    # headers (RFC 9112, 5)
    "a blank before the colon": (400, MALFORMED, post(b"X-A : b")),
    "a blank before the colon of a length": (400, MALFORMED, post(b"Content-Length : 5")),
    "a tab before the colon": (400, MALFORMED, post(b"X-A\t: b")),
    "no name": (400, MALFORMED, post(b": b")),
    "no colon": (400, MALFORMED, post(b"nothing")),
    "a name with a blank": (400, MALFORMED, post(b"X A: b")),
    "a name with a sign that is no token": (400, MALFORMED, post(b"X(A: b")),
    "a name with a NUL": (400, MALFORMED, post(b"X\0A: b")),
    "a name beyond ASCII": (400, MALFORMED, post("Ä: b".encode())),
    "a folded header": (400, MALFORMED, post(b"X-A: b\r\n c")),
    "a folded header with a tab": (400, MALFORMED, post(b"X-A: b\r\n\tc")),
    "a blank before the first header": (400, MALFORMED, post(host=(b" Host: x",))),
    "a NUL in a value": (400, MALFORMED, post(b"X-A: b\0c")),
    "an escape in a value": (400, MALFORMED, post(b"X-A: \x1b[31m")),
    "a DEL in a value": (400, MALFORMED, post(b"X-A: b\x7fc")),
    "a bare CR in a value": (400, MALFORMED, post(b"X-A: b\rc")),
    "a bare LF in a value": (400, MALFORMED, post(b"X-A: b\nContent-Length: 0")),
    "LF ends a header": (400, MALFORMED, post().replace(b"Host: x\r\n", b"Host: x\n", 1)),
    "LF ends the request line": (400, MALFORMED, post().replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n", 1)),
    "LF ends every line": (400, MALFORMED, post().replace(b"\r\n", b"\n")),
    "LF ends the head": (400, MALFORMED, post().replace(b"\r\n\r\n", b"\r\n\n", 1)),
    "CR ends a header": (400, MALFORMED, post().replace(b"Host: x\r\n", b"Host: x\r", 1)),
    # methods (RFC 9110, 9.1)
    "post": (400, MALFORMED, post(method=b"post")),
    "an unknown method": (400, MALFORMED, post(method=b"FOO")),
    "a method with a sign": (400, MALFORMED, post(method=b"PO$T")),
    "a method with a NUL": (400, MALFORMED, post(method=b"PO\0ST")),
    "no method": (400, MALFORMED, post(method=b"")),
    "CONNECT": (400, MALFORMED, b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
    "CONNECT to a path": (400, MALFORMED, get(b"/livez", method=b"CONNECT")),
    # targets (RFC 9112, 3.2)
    "no target": (400, MALFORMED, post(target=b"")),
    "a target of an authority": (400, MALFORMED, post(target=b"x:80")),
    "a target without a slash": (400, MALFORMED, post(target=b"decode")),
    "an asterisk to GET": (400, MALFORMED, get(b"*")),
    "an asterisk to POST": (400, MALFORMED, post(target=b"*")),
    "an asterisk and more": (400, MALFORMED, get(b"*x", method=b"OPTIONS")),
    "a URL of another scheme": (400, MALFORMED, post(target=b"ftp://x/decode")),
    "a URL with a user": (400, MALFORMED, post(target=b"http://a:b@x/decode")),
    "a URL without a host": (400, MALFORMED, post(target=b"http:///decode")),
    "a URL of a long host": (400, MALFORMED, post(target=b"http://" + b"x" * 256 + b"/decode")),
    "a URL without Host": (400, MALFORMED, post(target=b"http://x" + TARGET, host=())),
    "a fragment": (400, MALFORMED, post(target=TARGET + b"#a")),
    "a fragment before the query": (400, MALFORMED, post(target=b"/decode#?model=image")),
    "a path beyond ASCII": (400, MALFORMED, post(target="/decodé".encode())),
    "a query beyond ASCII": (400, MALFORMED, post(target=TARGET + b"&a=\xe4")),
    "a NUL in the path": (400, MALFORMED, post(target=b"/dec\0ode")),
    "a tab in the path": (400, MALFORMED, post(target=b"/dec\tode")),
    "a DEL in the path": (400, MALFORMED, post(target=b"/dec\x7fode")),
    "a form feed in the query": (400, MALFORMED, post(target=TARGET + b"&a=\x0c")),
    "a blank in the path": (400, MALFORMED, post(target=b"/dec ode")),
    "a blank in the query": (400, MALFORMED, post(target=TARGET + b"&a=b c")),
    "an escaped NUL in the path": (400, MALFORMED, post(target=b"/decode%00")),
    "an escape that is none in the path": (400, MALFORMED, post(target=b"/decode%zz")),
    "half an escape in the path": (400, MALFORMED, post(target=b"/decode%4")),
    # chunks (RFC 9112, 7.1)
    "a chunk of +5": (400, MALFORMED, chunked(b"+5\r\nhello\r\n")),
    "a chunk of -1": (400, MALFORMED, chunked(b"-1\r\nhello\r\n")),
    "a chunk of 0x5": (400, MALFORMED, chunked(b"0x5\r\nhello\r\n")),
    "a chunk of 1_0": (400, MALFORMED, chunked(b"1_0\r\nhello\r\n")),
    "a chunk without a size": (400, MALFORMED, chunked(b"\r\nhello\r\n")),
    "a blank before a chunk's size": (400, MALFORMED, chunked(b" 5\r\nhello\r\n")),
    "a blank behind a chunk's size": (400, MALFORMED, chunked(b"5 \r\nhello\r\n")),
    "a chunk of 17 digits": (400, MALFORMED, chunked(b"fffffffffffffffff\r\nhello\r\n")),
    "a chunk that is longer than it says": (400, MALFORMED, chunked(b"5\r\nhelloXX\r\n")),
    "a chunk without its end": (400, MALFORMED, chunked(b"5\r\nhello")),
    "LF ends a chunk's size": (400, MALFORMED, chunked(b"5\nhello\r\n")),
    "LF ends a chunk": (400, MALFORMED, chunked(b"5\r\nhello\n")),
    "LF ends the last chunk": (400, MALFORMED, chunked(CHUNKS, b"0\n\n")),
    "a bare CR in an extension": (400, MALFORMED, chunked(b"5;a\rb\r\nhello\r\n")),
    "a bare LF in an extension": (400, MALFORMED, chunked(b"5;a\nb\r\nhello\r\n")),
    "a NUL in an extension": (400, MALFORMED, chunked(b"5;a\0b\r\nhello\r\n")),
    "a tab behind chunked": (400, MALFORMED, post(b"Transfer-Encoding: chunked\t", body=CHUNKS + b"0\r\n\r\n")),
    "a length as a trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nContent-Length: 5\r\n\r\n")),
    "a coding as a trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    "Host as a trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nHost: y\r\n\r\n")),
    "a close as a trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nConnection: close\r\n\r\n")),
    "an Upgrade as a trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nUpgrade: h2c\r\n\r\n")),
    "a folded trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nX-A: b\r\n c\r\n\r\n")),
    "a NUL in a trailer": (400, MALFORMED, chunked(CHUNKS, b"0\r\nX-A: \0\r\n\r\n")),
    # expectations (RFC 9110, 10.1.1)
    "an unknown expectation": (417, EXPECTATION, post(b"Expect: wonders")),
    "an expectation beside the known one": (417, EXPECTATION, post(b"Expect: 100-continue, wonders")),
    "two expectations": (417, EXPECTATION, post(b"Expect: 100-continue", b"Expect: wonders")),
    "an empty expectation": (417, EXPECTATION, post(b"Expect:")),
    # what is no HTTP
    "words": (400, MALFORMED, b"nonsense\r\n\r\n"),
    "TLS": (400, MALFORMED, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32)),
    "SSH": (400, MALFORMED, b"SSH-2.0-OpenSSH_9.2\r\n"),
    "NULs": (400, MALFORMED, bytes(64)),
    "a response": (400, MALFORMED, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    "a byte order mark": (400, MALFORMED, b"\xef\xbb\xbf" + post()),
    "a blank before the request": (400, MALFORMED, b" " + post()),
}
"""By name: status and problem of the only answer, after which the connection is closed."""

TAKEN: dict[str, tuple[list[int], bytes]] = {
    "a request": ([200], post()),
    "Host with a port": ([200], post(host=(b"Host: x:8000",))),
    "Host with an empty port": ([200], post(host=(b"Host: x:",))),
    "Host with an underscore": ([200], post(host=(b"Host: my_service.example",))),
    "Host as IPv4": ([200], post(host=(b"Host: 127.0.0.1:8000",))),
    "Host as IPv6": ([200], post(host=(b"Host: [::1]:8000",))),
    "Host of 255 bytes": ([200], post(host=(b"Host: " + b"x" * 255,))),
    "Host in capitals": ([200], post(host=(b"HOST: X.EXAMPLE",))),
    "an absolute target": ([200], post(target=b"http://elsewhere.example:99" + TARGET)),
    "an absolute target in capitals": ([200], post(target=b"HTTPS://X" + TARGET)),
    "an absolute target without a path": ([200], get(b"http://x")),
    "an absolute target with a query alone": ([200], get(b"http://x?a=b")),
    "an asterisk to OPTIONS": ([404], get(b"*", method=b"OPTIONS")),
    "two slashes": ([404], post(target=b"//decode?model=image")),
    "a dot in the path": ([404], post(target=b"/./decode?model=image")),
    "two dots in the path": ([404], post(target=b"/x/../decode?model=image")),
    "a backslash": ([404], post(target=b"/\\decode?model=image")),
    "an escaped letter": ([200], post(target=b"/%64ecode?model=image")),
    "an escape in the query": ([200], post(target=b"/decode?model=im%61ge")),
    "signs in the query": ([422], post(target=TARGET + b"&a={|}^`\\")),
    "blanks around a length": ([200], post(length=b" \t%d  " % len(BODY))),
    "zeros before a length": ([200], post(length=b"000%d" % len(BODY))),
    "blanks around a value": ([200], post(b"X-Request-Timeout: \t 5 \t ")),
    "a name with an underscore": ([200], post(b"X_A: b")),
    "a value beyond ASCII": ([200], post("X-A: ä".encode())),
    "an empty value": ([200], post(b"X-A:")),
    "several blanks in the request line": ([200], post().replace(b" ", b"  ", 2)),
    "an empty line before": ([200], b"\r\n" + post()),
    "an empty line behind": ([200], post() + b"\r\n"),
    "chunks": ([200], chunked()),
    "CHUNKED": ([200], post(CHUNKED.upper(), body=CHUNKS + b"0\r\n\r\n")),
    "a blank behind chunked": ([200], post(CHUNKED + b" ", body=CHUNKS + b"0\r\n\r\n")),
    "zeros before a chunk's size": ([200], chunked(b"000" + CHUNKS)),
    "a chunk's size in capitals": ([200], chunked(CHUNKS.replace(b"%x" % len(BODY), b"%X" % len(BODY), 1))),
    "an extension": ([200], chunked(CHUNKS.replace(b"\r\n", b';a=b;c="d;e"\r\n', 1))),
    "a trailer": ([200], chunked(CHUNKS, b"0\r\nX-A: b\r\n\r\n")),
    "many zeros as the last chunk": ([200], chunked(CHUNKS, b"0000\r\n\r\n")),
    "an expectation": ([100, 200], post(b"Expect: 100-continue")),
    "an expectation in capitals": ([100, 200], post(b"EXPECT: 100-CONTINUE")),
    "an expectation that nobody waits for": ([200], get(b"/livez", b"Expect: 100-continue")),
    "a body to GET": ([200], get(b"/livez", b"Content-Length: 5") + b"hello"),
    "chunks to GET": ([200], get(b"/livez", CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n"),
    "a body that looks like a request": ([400], post(body=LIVE)),
    "an upgrade": ([200], post(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMA")),
    "TRACE": ([405], get(method=b"TRACE")),
    "PROPFIND": ([405], get(method=b"PROPFIND")),
}
"""By name: the statuses of the answers; the connection is kept."""

LAST: dict[str, tuple[list[int], bytes]] = {
    "close": ([200], post(b"Connection: close")),
    "CLOSE": ([200], post(b"CONNECTION: CLOSE")),
    "close among others": ([200], post(b"Connection: TE, close")),
    "close, keep-alive": ([200], post(b"Connection: close, keep-alive")),
    "close in another line": ([200], post(b"Connection: keep-alive", b"Connection: close")),
    "HTTP/1.0": ([200], post(version=b"HTTP/1.0")),
    "HTTP/1.0 without Host": ([200], post(version=b"HTTP/1.0", host=())),
    "HTTP/1.0 with an expectation": ([200], post(b"Expect: wonders", version=b"HTTP/1.0")),
    "HTTP/1.0 that waits": ([200], post(b"Expect: 100-continue", version=b"HTTP/1.0")),
}
"""By name: the statuses of the answers, after which the connection is closed. What follows is discarded."""
