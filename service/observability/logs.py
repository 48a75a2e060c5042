"""Structured logs: one JSON object a line, or columns for people; uvicorn's own lines go the same way."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import structlog

from service.settings import Settings

TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # they hold what callers sent, secrets included
)

_FLUSH_S = 0.05
_ATOMIC = 4096  # bytes; PIPE_BUF on Linux (pipe(7)): longer writes of several workers may mix in one pipe
_FULL = _ATOMIC - 256
"""As much as one write takes, but for a line: what gathered for 50 ms would keep somebody waiting for ten writes."""
_PLAIN = re.compile(r"[\w@/ .:+=-]*", re.ASCII)


def configure_logging(settings: Settings) -> None:
    """Send every log line of the process to stderr, in the chosen form."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Any] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if for_people(settings)
        else [TRACEBACKS, structlog.processors.JSONRenderer(sort_keys=False)]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # one write a line: PrintLogger's line end is a second one where Python is unbuffered, and workers share stderr
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer]
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))


def for_people(settings: Settings) -> bool:
    """Whether log lines are columns rather than JSON."""
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())


class RequestLog:
    """The line of every request. As JSON it is made in a microsecond, and written with others of the moment."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.log_level in ("debug", "info")
        self._people = for_people(settings)
        self._structured = structlog.get_logger("latent.request")
        self._lines: list[str] = []
        self._size = 0
        self._pieces: list[str] = []
        """Texts of whole lines, each as long as one write may be; the lines are of the next one."""
        self._timer: asyncio.TimerHandle | None = None
        self._flushing = False
        self._second, self._prefix = -1, ""
        self._tick, self._end = -1, ""

    def write(self, request_id: str, model: str, verb: str, items: int, status: int, seconds: float) -> None:
        """Note an answered request. Lines come at the latest 50 ms afterwards, and in order.

        What fills a write goes out once the event loop has sent its answers, while clients are busy with theirs.
        """
        if not self._on:
            return
        if self._people:
            self._structured.info(
                "request",
                id=request_id,
                model=model or None,
                verb=verb,
                items=items,
                status=status,
                milliseconds=round(1e3 * seconds, 3),
            )
            return
        what = _what(model, verb, items, status)
        line = f'{{"id":{_quoted(request_id)},{what},"milliseconds":{1e3 * seconds:.3f},{self._ending()}'
        size = self._size + len(line)
        if size > _ATOMIC and self._lines:  # a longer line stands alone
            self._pieces.append("".join(self._lines))
            self._lines, size = [], len(line)
        self._lines.append(line)
        self._size = size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self._write_in_time)
        if not self._flushing and (size > _FULL or self._pieces):  # after the answers of this turn of the loop are out
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _write_in_time(self) -> None:
        self._timer = None
        self.flush()

    def close(self) -> None:
        """Write what is left; the event loop is about to end."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.flush()

    def flush(self) -> None:
        """Write what has gathered, whole lines at a time: other workers may write to the same pipe."""
        self._flushing = False
        pieces, self._pieces = self._pieces, []
        if self._lines:
            pieces.append("".join(self._lines))
            self._lines, self._size = [], 0
        for piece in pieces:
            sys.stderr.write(piece)
            sys.stderr.flush()

    def _ending(self) -> str:
        """What a line ends with: the moment (UTC, ISO 8601), the same for a tenth of a millisecond."""
        tick = time.time_ns() // 100_000
        if tick != self._tick:
            self._tick = tick
            second, tenths = divmod(tick, 10_000)
            if second != self._second:
                self._second = second
                self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            moment = f"{self._prefix}.{tenths:04d}00Z"
            self._end = f'"event":"request","level":"info","timestamp":"{moment}"}}\n'
        return self._end


@lru_cache(maxsize=1024)
def _what(model: str, verb: str, items: int, status: int) -> str:
    """What most lines have in common with others."""
    quoted = _quoted(model) if model else "null"
    return f'"model":{quoted},"verb":{_quoted(verb)},"items":{items},"status":{status}'


def _quoted(text: str) -> str:
    """As JSON has it. What is made of letters, digits and a few signs, as most is, needs no more than quotes."""
    return f'"{text}"' if _PLAIN.fullmatch(text) else json.dumps(text)
