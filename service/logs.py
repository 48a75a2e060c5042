"""Structured logs: one JSON object a line, or columns for people; uvicorn's own lines go the same way."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from service.settings import Settings

TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # they hold what callers sent, secrets included
)

_FLUSH_S = 0.05


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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
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
    """The line of every request. As JSON it is made in two microseconds, and written with others of the moment."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.log_level in ("debug", "info")
        self._people = for_people(settings)
        self._structured = structlog.get_logger("latent.request")
        self._lines: list[bytes] = []

    def write(self, request_id: str, model: str, verb: str, items: int, status: int, seconds: float) -> None:
        """Note an answered request. Lines come at the latest 50 ms afterwards, and in order."""
        if not self._on:
            return
        values = {
            "id": request_id,
            "model": model or None,
            "verb": verb,
            "items": items,
            "status": status,
            "milliseconds": round(1e3 * seconds, 3),
        }
        if self._people:
            self._structured.info("request", **values)
            return
        now = datetime.now(UTC)
        line = {**values, "event": "request", "level": "info", "timestamp": now}
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)
        self._lines.append(orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))

    def flush(self) -> None:
        """Write what has gathered."""
        lines, self._lines = b"".join(self._lines), []
        if lines:
            sys.stderr.buffer.write(lines)
            sys.stderr.buffer.flush()
