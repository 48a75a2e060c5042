"""A differential fuzzer: random exchanges with this service, on both ways, and with stock uvicorn.

`make fuzz MINUTES=10` runs it for longer. What it holds the service to:

- Every sound request gets its own answer, in order, with the status that stock uvicorn gives.
- A broken request never takes another's answer, and is refused where stock uvicorn refuses it.
- Where only this service refuses, one of the rules in STRICTER says why.
- Both ways give the same statuses. No answer is a 500, and every connection goes on or is closed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hostile.exchanges import CODES, Exchange, Fuzzer, Stream, code_body
from tests.hostile.stock import stock_server
from tests.support.raw_http import ANSWER_S, request
from tests.support.server import ROOT, RunningServer, running_server

AT_ONCE = 12
"""Streams that are sent at the same time: too few for any to be shed."""
QUIET_S, LONG_QUIET_S = 0.8, 3.0
"""After so long without an answer none is expected any more; what is found wrong then is tried again, patiently."""

STRICTER = {
    "unsupported-http-version": "llhttp takes HTTP/0.9 and HTTP/2.0 for HTTP/1.1",
    "unsupported-transfer-coding": "llhttp takes any list of codings that ends with chunked",
    "unknown-expectation": "uvicorn ignores expectations that it does not know",
    "Host is": "uvicorn does not look at Host",
    "Transfer-Encoding is not known to HTTP/1.0": "RFC 9112, 6.1: there are no chunks in HTTP/1.0",
    "Transfer-Encoding is given twice": "llhttp takes chunked behind any other coding",
    "Content-Length is invalid": "lengths of more than 18 digits overflow elsewhere",
    "is no trailer": "uvicorn ignores what trailers say of the message's framing",
    "the target": "uvicorn takes any target that llhttp takes: fragments, an asterisk",
    "the path has a %": "uvicorn decodes what it can, and takes an escaped NUL",
    "CONNECT asks": "uvicorn leaves a tunnel's client waiting",
}
"""Rules by which this service refuses what stock uvicorn takes: a part of the problem's type or detail, and why."""
_LOOSER = re.compile(rb" https?://[^/ ]+[? ]", re.IGNORECASE)
"""What this service takes and stock uvicorn does not: a URL without a path means `/` (RFC 9110, 4.2.3)."""
REFUSALS = ("malformed-request", "unsupported-http-version", "unsupported-transfer-coding", "unknown-expectation")
_STOCK_REFUSES = b"Invalid HTTP request received."
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Got:
    """One answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        """The problem in its body; empty where it has none."""
        if self.headers.get(b"content-type") != b"application/problem+json":
            return {}
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def refused(self) -> bool:
        """Whether the connection itself refuses, and not the application."""
        return self.body == _STOCK_REFUSES or self.problem.get("type", "").removeprefix("/problems/") in REFUSALS

    @property
    def closes(self) -> bool:
        """Whether it says that the connection ends."""
        return self.headers.get(b"connection") == b"close"


@dataclass
class Talk:
    """What came of a stream."""

    answers: list[Got]
    closed: bool
    garbage: bytes = b""
    """What came and is no answer."""
    reset: bool = False
    """Whether the connection was reset, which throws away answers that were not read yet."""


@dataclass
class Outcome:
    """What was found."""

    exchanges: int = 0
    streams: int = 0
    broken: int = 0
    faults: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    stricter: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.exchanges} exchanges in {self.streams} streams, {self.broken} of them with a broken request;"
            f" statuses {dict(sorted(self.statuses.items()))}; stricter than stock: {dict(self.stricter)};"
            f" faults: {len(self.faults)}"
        )


@contextmanager
def servers(store: Path) -> Iterator[tuple[RunningServer, RunningServer, int]]:
    """The service on its fast path, the service on its routes, and the port of stock uvicorn."""
    with (
        running_server(store, engine="openvino") as fast,
        running_server(store, engine="openvino", fast_path="off") as routes,
        stock_server() as stock,
    ):
        yield fast, routes, stock


class Comparison:
    """Compares this service with stock uvicorn, stream by stream."""

    def __init__(self, fast: RunningServer, routes: RunningServer, stock: int) -> None:
        self._ports, self._stock = (fast.port, routes.port), stock
        self._outputs = [_outputs(fast, code) for code in range(CODES)]
        assert len({json.dumps(outputs) for outputs in self._outputs}) == CODES, "answers cannot be told apart"

    async def run(self, streams: Sequence[Stream], outcome: Outcome) -> None:
        """Send streams, and add to `outcome` what is found."""
        turns = asyncio.Semaphore(AT_ONCE)
        suspects: list[Stream] = []

        async def one(stream: Stream) -> None:
            async with turns:
                if await self._faults(stream, QUIET_S, outcome):
                    suspects.append(stream)

        await asyncio.gather(*map(one, streams))
        for stream in suspects:  # by itself, and with more patience: a slow machine is no fault
            outcome.faults += await self._faults(stream, LONG_QUIET_S, Outcome())
        outcome.streams += len(streams)
        outcome.exchanges += sum(len(stream.exchanges) for stream in streams)
        outcome.broken += sum(stream.broken is not None for stream in streams)

    async def _faults(self, stream: Stream, quiet_s: float, outcome: Outcome) -> list[str]:
        fast, routes, stock = await asyncio.gather(
            *(_talk(port, stream, quiet_s) for port in (*self._ports, self._stock))
        )
        faults = [*self._faults_of(stream, fast, "fast path"), *self._faults_of(stream, routes, "routes")]
        verdicts = [[(got.status, got.refused) for got in talk.answers] for talk in (fast, routes)]
        if verdicts[0] != verdicts[1] or fast.closed != routes.closed:
            faults.append(f"the ways differ: {verdicts[0]}, {fast.closed}; {verdicts[1]}, {routes.closed}")
        faults += self._faults_beside(stream, fast, stock, outcome)
        outcome.statuses.update(got.status for got in fast.answers)
        return [f"{stream.name}: {fault}\n  {[each.kind for each in stream.exchanges]}" for fault in faults] + (
            [f"  cuts {stream.cuts}, pauses {stream.pauses_s}\n  {stream.data!r}"] if faults else []
        )

    def _faults_of(self, stream: Stream, talk: Talk, way: str) -> list[str]:
        """What is wrong with the answers of this service, whatever others do."""
        faults = [f"{way}: {talk.garbage[:80]!r} is no answer"] if talk.garbage else []
        sound = stream.sound
        if len(talk.answers) < len(sound):
            faults.append(f"{way}: {len(talk.answers)} answers to {len(sound)} sound requests")
        if stream.broken is None and len(talk.answers) > len(sound):
            faults.append(f"{way}: {len(talk.answers)} answers to {len(sound)} requests")
        for number, (got, exchange) in enumerate(zip(talk.answers, sound, strict=False)):
            faults += [f"{way}, answer {number}: {fault}" for fault in self._mistaken(got, exchange)]
        for number, got in enumerate(talk.answers):
            if got.status >= 500 and got.status not in (501, 505):
                faults.append(f"{way}, answer {number}: {got.status} {got.body[:200]!r}")
            if got.refused and not (got.closes and number == len(talk.answers) - 1 and talk.closed):
                faults.append(f"{way}, answer {number}: refused, and the connection goes on")
        return faults

    def _mistaken(self, got: Got, exchange: Exchange) -> Iterator[str]:
        if got.status != exchange.status:
            yield f"{got.status} to {exchange.kind}, not {exchange.status}: {got.body[:200]!r}"
        elif exchange.request_id is not None and got.headers.get(b"x-request-id") != exchange.request_id:
            yield f"the id {got.headers.get(b'x-request-id')!r} to {exchange.request_id!r}"
        elif exchange.code is not None and json.loads(got.body)["outputs"] != self._outputs[exchange.code]:
            yield f"the numbers of another code than {exchange.code}"

    def _faults_beside(self, stream: Stream, ours: Talk, stock: Talk, outcome: Outcome) -> list[str]:
        """Where this service and stock uvicorn differ, and nothing says why."""
        if stock.reset:  # it closes at once where more is coming, and what it has answered may be lost
            return []
        if stream.broken is None:
            statuses = [got.status for got in ours.answers], [got.status for got in stock.answers]
            return [] if statuses[0] == statuses[1] else [f"{statuses[0]}; stock: {statuses[1]}"]
        refusal = next((got for got in ours.answers if got.refused), None)
        early = bool(ours.answers) and ours.answers[-1].closes
        """The application has answered before the body was whole, and closed the connection."""
        if any(got.refused for got in stock.answers):
            return (
                []
                if refusal is not None or early or _LOOSER.search(stream.data)
                else ["stock refuses, and this service does not"]
            )
        if refusal is None:
            taken, by_stock = len(ours.answers), len(stock.answers)
            return (
                []
                if taken == by_stock or (early and taken <= by_stock + 1)
                else [f"{taken} answers; stock: {by_stock}"]
            )
        problem = refusal.problem
        rule = next((rule for rule in STRICTER if rule in f"{problem['type']} {problem['detail']}"), None)
        if rule is None:
            return [f"only this service refuses: {problem['detail']}"]
        outcome.stricter[rule] += 1
        return []


def _outputs(server: RunningServer, code: int) -> Any:  # noqa: ANN401 - nested lists of numbers
    with server.connect() as alone:
        alone.send(request("/decode?model=image", code_body(code)))
        return alone.read_answer().json()["outputs"]


async def _talk(port: int, stream: Stream, quiet_s: float) -> Talk:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sending = asyncio.ensure_future(_send(writer, stream))
    got, closed, reset = bytearray(), False, False
    wanted, patience_s = (len(stream.sound), ANSWER_S) if stream.broken is None else (sys.maxsize, quiet_s)
    try:
        while True:
            enough = len(_answers(bytes(got)).answers) >= wanted
            try:
                data = await asyncio.wait_for(reader.read(1 << 16), 0.05 if enough else patience_s)
            except TimeoutError:
                if not sending.done():
                    continue
                break
            if not data:
                closed = True
                break
            got += data
    except OSError:
        closed = reset = True
    finally:
        sending.cancel()
        writer.close()
    talk = _answers(bytes(got))
    talk.closed, talk.reset = closed, reset
    return talk


async def _send(writer: asyncio.StreamWriter, stream: Stream) -> None:
    try:
        for piece, pause_s in stream.pieces():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
    except OSError:
        pass  # the connection is closed: what came before is read


def _answers(data: bytes) -> Talk:
    """The answers in `data`, interim ones left out."""
    found: list[Got] = []
    while data:
        head, end, rest = data.partition(_HEAD_END)
        line, *lines = head.split(b"\r\n")
        matched = re.fullmatch(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*", line)
        headers = {name.lower(): value for name, _, value in (each.partition(b": ") for each in lines)}
        size = int(headers.get(b"content-length", b"0"))
        if matched is None or not end or len(rest) < size:
            return Talk(found, False, data)
        if int(matched[1]) >= 200:
            found.append(Got(int(matched[1]), headers, rest[:size]))
        data = rest[size:]
    return Talk(found, False)


def _exported(directory: Path) -> Path:
    """A store with the affine models."""
    store = directory / "store"
    subprocess.run([sys.executable, "-m", "tests.support.affine", str(store)], cwd=ROOT, check=True)
    return store


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz for some minutes; the exit code is 1 where something was found."""
    parser = argparse.ArgumentParser(description="Compares this service with stock uvicorn, on random exchanges.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; another one each time without it")
    given = parser.parse_args(arguments)
    seed = time.time_ns() % 10**9 if given.seed is None else given.seed
    until = time.monotonic() + 60 * given.minutes
    outcome = Outcome()
    with tempfile.TemporaryDirectory() as directory, servers(_exported(Path(directory))) as running:
        comparison = Comparison(*running)
        while time.monotonic() < until and not outcome.faults:
            asyncio.run(comparison.run(list(Fuzzer(seed).streams(500)), outcome))
            print(f"seed {seed}: {outcome}", flush=True)  # noqa: T201
            seed += 1
    print("\n".join(outcome.faults))  # noqa: T201
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
