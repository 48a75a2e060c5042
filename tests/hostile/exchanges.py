"""Random exchanges: sound requests whose answers can be told apart, broken ones, and how they are cut into pieces.

All of it follows from a seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CODES = 40
"""So many codes have answers that are told apart."""
MODEL = "image"
_DECODE = f"/decode?model={MODEL}".encode()

_BYTES = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b"0", b"#", b"%", b"@", b"\xff", b"\r\n\r\n", b"\r\n ", b"GET "),
    *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"HTTP/2.0", b";a=b"),
)
_LINES = (
    *(
        b"Host: y\r\n",
        b"Host:\r\n",
        b"Host: a b\r\n",
        b"Connection: close\r\n",
        b"Expect: wonders\r\n",
        b"X-A: b\r\n c\r\n",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: +5\r\n", b"Content-Length: 9999999999999999999\r\n", b"X-A : b\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: identity\r\n"),
    *(b"Transfer-Encoding: xchunked\r\n", b"\r\n", b" "),
)
_CHANCE_OF_A_BROKEN_ONE = 0.35
_PAUSES_S = (0.0, 0.0, 0.001, 0.004, 0.06)
"""The longest is longer than the fast path waits for a body."""


@dataclass(frozen=True)
class Exchange:
    """A request, and what its answer must be."""

    data: bytes
    kind: str
    status: int
    request_id: bytes | None = None
    code: int | None = None
    """Which code was sent, where the answer shows it."""
    closes: bool = False


@dataclass(frozen=True)
class Stream:
    """What is sent over one connection."""

    name: str
    exchanges: list[Exchange]
    broken: int | None
    """The place of the request that was broken; None where all are sound."""
    cuts: list[int]
    pauses_s: list[float]

    @property
    def data(self) -> bytes:
        """All requests, one behind the other."""
        return b"".join(exchange.data for exchange in self.exchanges)

    @property
    def sound(self) -> list[Exchange]:
        """The requests that must be answered whatever follows them."""
        sound = self.exchanges[: self.broken]
        closing = next((place for place, exchange in enumerate(sound) if exchange.closes), len(sound))
        return sound[: closing + 1]

    def pieces(self) -> Iterator[tuple[bytes, float]]:
        """The data in pieces, with the pause after each."""
        data, start = self.data, 0
        for cut, pause_s in zip([*self.cuts, len(data)], [*self.pauses_s, 0.0], strict=True):
            yield data[start:cut], pause_s
            start = cut


def code_body(code: int) -> bytes:
    """The body that sends a code; all of them have one length."""
    return json.dumps({"z": [[round(code / 20 - 1, 2), 0.25]]}).ljust(32).encode()


class Fuzzer:
    """Makes streams; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - it must repeat itself
        self._made = 0

    def streams(self, exchanges: int) -> Iterator[Stream]:
        """As many streams as hold so many exchanges."""
        number = 0
        while self._made < exchanges:
            yield self._stream(f"{self._seed}.{number}")
            number += 1

    def _stream(self, name: str) -> Stream:
        rng = self._random
        exchanges = [self._exchange() for _ in range(rng.choice([1, 2, 2, 3, 3, 4, 5, 6]))]
        broken = None
        if rng.random() < _CHANCE_OF_A_BROKEN_ONE:
            broken = rng.randrange(len(exchanges))
            whole = exchanges[broken]
            exchanges[broken] = Exchange(self._break(whole.data), f"broken {whole.kind}", 0)
        sizes = [len(exchange.data) for exchange in exchanges]
        total = sum(sizes)
        way = rng.random()
        if way < 0.25:
            cuts = [sum(sizes[:place]) for place in range(1, len(sizes))]
        elif way < 0.45:
            cuts = []
        else:
            cuts = sorted(rng.sample(range(1, total), min(total - 1, rng.randrange(1, 9))))
        return Stream(name, exchanges, broken, cuts, [rng.choice(_PAUSES_S) for _ in cuts])

    def _exchange(self) -> Exchange:
        rng = self._random
        self._made += 1
        request_id = b"q%08d" % self._made
        code = rng.randrange(CODES)
        body = code_body(code)
        makers: list[Callable[[], Exchange]] = [
            lambda: Exchange(_post(body), "decode", 200, None, code),  # its head comes again: it is known
            lambda: Exchange(_post(body), "decode", 200, None, code),
            lambda: Exchange(_post(body, b"X-Request-ID: " + request_id), "decode with id", 200, request_id, code),
            lambda: Exchange(self._chunked(body, request_id), "chunked", 200, request_id, code),
            lambda: Exchange(_get(b"/livez", request_id), "get", 200, request_id),
            lambda: Exchange(_get(b"/livez", request_id, b"x" * rng.randrange(60)), "body", 200, request_id),
            lambda: Exchange(
                _post(b'{"z": [[1], [2, 3]]}', b"X-Status: 422", b"X-Request-ID: " + request_id),
                *("refused", 422, request_id),
            ),
            lambda: Exchange(
                _post(body, b"X-Status: 404", b"X-Request-ID: " + request_id, target=b"/nowhere"),
                *("nowhere", 404, request_id),
            ),
            lambda: Exchange(
                _post(body, b"X-Status: 405", b"X-Request-ID: " + request_id, target=b"/livez"),
                *("wrong method", 405, request_id),
            ),
            lambda: Exchange(
                _post(body, b"Expect: 100-continue", b"X-Request-ID: " + request_id),
                *("expecting", 200, request_id, code),
            ),
            lambda: Exchange(
                _post(body, b"X-Request-ID: " + request_id, target=b"http://y" + _DECODE),
                *("absolute", 200, request_id, code),
            ),
            lambda: Exchange(
                _post(body, b"X-Request-ID: " + request_id, b"Connection: close"),
                *("closing", 200, request_id, code, True),
            ),
        ]
        return rng.choice(makers)()

    def _chunked(self, body: bytes, request_id: bytes) -> bytes:
        rng = self._random
        size = rng.choice([1, 5, 9, 100])
        end = rng.choice([b"0\r\n\r\n", b"0\r\nX-T: 1\r\n\r\n", b"000\r\n\r\n"])
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), rng.choice([b"", b";a=b"]), piece) for piece in pieces)
        fields = b"Content-Type: application/json", b"X-Request-ID: " + request_id, b"Transfer-Encoding: chunked"
        return _head(b"POST", _DECODE, *fields) + chunks + end

    def _break(self, data: bytes) -> bytes:
        """Some bytes of a request changed, most often in its head."""
        rng, broken = self._random, bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            place = rng.randrange(len(broken)) if rng.random() < 0.4 else rng.randrange(min(len(broken), 180))
            lines = [at + 2 for at in range(len(broken) - 1) if broken[at : at + 2] == b"\r\n"]
            way = rng.random()
            if way < 0.2:
                broken[place] = rng.randrange(256)
            elif way < 0.35:
                del broken[place : place + rng.choice([1, 1, 2, 5, 20])]
            elif way < 0.5:
                broken[place:place] = rng.choice(_BYTES)
            elif way < 0.85 and lines:
                line = rng.choice(lines[:6])
                broken[line:line] = rng.choice(_LINES)
            else:
                broken[place:place] = broken[place : place + rng.randrange(1, 40)]
            if not broken:
                broken += b"\r\n"
        return bytes(broken)


def _head(method: bytes, target: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, target), b"Host: x", *fields, b"", b""])


def _post(body: bytes, *fields: bytes, target: bytes = _DECODE) -> bytes:
    length = b"Content-Length: %d" % len(body)
    return _head(b"POST", target, b"Content-Type: application/json", *fields, length) + body


def _get(target: bytes, request_id: bytes, body: bytes | None = None) -> bytes:
    length = () if body is None else (b"Content-Length: %d" % len(body),)
    return _head(b"GET", target, b"X-Request-ID: " + request_id, *length) + (body or b"")
