"""Counts what became of the requests."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from latent.chaos.clients import HUNG_UP, UNREACHABLE, Outcome
from latent.chaos.shots import ALWAYS_ALLOWED, Manner

LEFT = "left"
"""In place of a status: the client hung up before an answer."""
LOST = "lost"
"""In place of a status: the answer went with a worker that was killed."""

_ROWS_OF_THEIR_OWN = (Manner.SLOW_WRITE, Manner.SLOW_READ)
"""Their latencies are the clients' own."""

_MOST_LATENCIES = 20_000
_MOST_FAULTS = 50


@dataclass
class Row:
    """All requests of one kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    """Of those that were answered; of very many, evenly chosen ones."""
    _every: int = 1

    def add(self, status: str, latency_s: float | None) -> None:
        """Count one."""
        self.statuses[status] += 1
        if latency_s is None or self.statuses.total() % self._every:
            return
        self.latencies_s.append(latency_s)
        if len(self.latencies_s) > _MOST_LATENCIES:
            del self.latencies_s[::2]
            self._every *= 2

    def percentile_ms(self, p: float) -> float | None:
        """The p-th percentile of the latencies, in milliseconds; None where none was answered."""
        ordered = sorted(self.latencies_s)
        return 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))] if ordered else None


class Tally:
    """Requests by kind, and what was wrong. Safe to use from several threads."""

    def __init__(self, excuses: Callable[[float, float], bool] = lambda _begun, _ended: False) -> None:
        """`excuses` says whether a connection may be lost between two times of time.monotonic."""
        self.rows: dict[str, Row] = {}
        self.wrong: Counter[str] = Counter()
        """Answers that are wrong or missing, by what is wrong."""
        self.unexpected: Counter[str] = Counter()
        """Statuses that are none of those expected, by what came."""
        self._excuses, self._lock = excuses, threading.Lock()

    @property
    def requests(self) -> int:
        """How many were sent."""
        with self._lock:
            return sum(row.statuses.total() for row in self.rows.values())

    @property
    def faults(self) -> int:
        """How many answers were wrong, missing or of an unexpected status."""
        with self._lock:
            return self.wrong.total() + self.unexpected.total()

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        with self._lock:
            self._add(outcome)

    def _add(self, outcome: Outcome) -> None:
        shot, status = outcome.shot, outcome.status
        name = shot.manner.value if shot.manner in _ROWS_OF_THEIR_OWN else shot.kind
        row = self.rows.setdefault(name, Row())
        kind = shot.kind if shot.manner is Manner.PLAIN else f"{shot.kind} [{shot.manner.value}]"
        if status in (HUNG_UP, UNREACHABLE) and self._excuses(outcome.begun, outcome.ended):
            row.add(LOST, None)
            return
        answered = status is not None and status.isdigit()
        row.add(status or LEFT, outcome.ended - outcome.begun if answered else None)
        if status is not None and status.isdigit() and int(status) not in shot.expected | ALWAYS_ALLOWED:
            expected = ", ".join(map(str, sorted(shot.expected)))
            self._note(self.unexpected, f"{kind}: {status}, expected {expected}")
        if outcome.fault is not None:
            self._note(self.wrong, f"{kind}: {outcome.fault}")

    def _note(self, where: Counter[str], line: str) -> None:
        where[line if line in where or len(where) < _MOST_FAULTS else "others"] += 1
