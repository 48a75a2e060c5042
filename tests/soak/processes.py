"""The service's processes: what each holds over time, and workers that are killed."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

EVERY_S = 0.5
WARM_UP_S = 20.0
"""The first seconds of a process are not counted: caches fill, and every kind of request comes for the first time."""
LEAST_S = 60.0
"""A process that lived less after its warm-up says nothing of growth."""


@dataclass(frozen=True)
class Sample:
    """What a process holds at a time of time.monotonic."""

    at: float
    rss_mb: float
    threads: int
    descriptors: int


FIGURES = ("rss_mb", "threads", "descriptors")


@dataclass
class History:
    """What a process held while it lived."""

    pid: int
    name: str
    samples: list[Sample] = field(default_factory=list)

    @property
    def counted(self) -> Sequence[Sample]:
        """The samples after the warm-up; all of a short life."""
        warm = [sample for sample in self.samples if sample.at - self.samples[0].at >= WARM_UP_S]
        return warm if len(warm) >= 4 else self.samples

    @property
    def counted_s(self) -> float:
        """Seconds of the life after the warm-up."""
        return self.samples[-1].at - self.samples[0].at - WARM_UP_S if self.samples else 0.0

    def quarters(self, figure: str) -> tuple[float, float]:
        """The median of a figure in the first and in the last quarter of what is counted."""
        values = [float(getattr(sample, figure)) for sample in self.counted]
        quarter = max(1, len(values) // 4)
        return statistics.median(values[:quarter]), statistics.median(values[-quarter:])

    @property
    def largest_rss_mb(self) -> float:
        """The most that it ever held."""
        return max(sample.rss_mb for sample in self.samples)


class Watch:
    """Looks at the processes of a service, and kills a worker now and then."""

    def __init__(self, pid: int) -> None:
        """`pid` is that of the service: its only process, or the supervisor of its workers."""
        self._service = psutil.Process(pid)
        self.histories: dict[int, History] = {}
        self.kills: list[float] = []
        """When a worker was killed, times of time.monotonic."""

    def workers(self) -> list[psutil.Process]:
        """The worker processes, oldest first; Python's own helper process is none."""
        found = []
        for child in self._service.children():
            with suppress(psutil.Error):
                if any("spawn_main" in part for part in child.cmdline()):
                    found.append((child.create_time(), child))
        return [child for _, child in sorted(found, key=lambda pair: pair[0])]

    def look(self) -> None:
        """Take one sample of each process."""
        now, workers = time.monotonic(), self.workers()
        named = [(self._service, "supervisor" if workers else "service"), *((one, "worker") for one in workers)]
        for process, name in named:
            with suppress(psutil.Error), process.oneshot():
                sample = Sample(now, process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())
                history = self.histories.setdefault(process.pid, History(process.pid, f"{name} {process.pid}"))
                history.samples.append(sample)

    def kill_youngest(self) -> None:
        """Kill the worker that started last: the oldest lives on, so that its growth is seen."""
        workers = self.workers()
        if len(workers) >= 2:
            self.kills.append(time.monotonic())
            with suppress(psutil.Error):
                workers[-1].kill()

    def excuses(self, begun: float, ended: float) -> bool:
        """Whether a connection that was lost between two times may have gone with a worker that was killed."""
        return any(begun - _SLACK_S <= kill <= ended + _SLACK_S for kill in self.kills)

    @contextmanager
    def watching(self, kill_every_s: float | None) -> Iterator[None]:
        """Look every half second in a thread meanwhile, and kill every `kill_every_s` seconds."""
        stop = threading.Event()

        def run() -> None:
            killed = time.monotonic()
            while not stop.wait(EVERY_S):
                with suppress(psutil.Error):
                    self.look()
                    if kill_every_s is not None and time.monotonic() - killed >= kill_every_s:
                        killed = time.monotonic()
                        self.kill_youngest()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


_SLACK_S = 1.0
"""Between a kill and the moment at which its clients notice."""
