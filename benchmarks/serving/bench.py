"""The Bench object that every part gets: machine, models, settings of the run, and helpers to start servers."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.serving.answers import Closeness, compare
from benchmarks.serving.cases import Case
from benchmarks.serving.cpus import Cpus, on
from benchmarks.serving.models import Models
from benchmarks.serving.processes import Running, running
from benchmarks.serving.servers import Server, latent
from benchmarks.serving.wrk import Load, drive


@dataclass(frozen=True)
class Drive:
    """The result of one run of wrk, and the CPU time that it cost the server."""

    load: Load
    cpu_us: float
    """CPU microseconds of the server for each request, answered or refused."""


@dataclass(frozen=True)
class Bench:
    """The machine, the models and the settings of a benchmark run."""

    cpus: Cpus
    models: Models
    latent: Sequence[str]
    """The command that runs `latent`."""
    scratch: Path
    """A directory for logs and other temporary files."""
    quick: bool
    keeps: bool
    """Whether pictures are written to the docs' folder."""
    console: Console
    for_workers: Cpus | None = None
    """The CPUs given on the command line for the part `workers`, if any."""

    @property
    def rounds(self) -> int:
        """The number of rounds: each round measures every case once."""
        return 1 if self.quick else 5

    def tell(self, text: str) -> None:
        """Print a progress message."""
        self.console.print(text, style="dim", highlight=False)

    def serve(self, server: Server) -> AbstractContextManager[Running]:
        """Start a server on the server's CPU."""
        return running(server, self.cpus.server, self.scratch)

    def serve_latent(
        self, model: str, options: Sequence[str] = (), **settings: object
    ) -> AbstractContextManager[Running]:
        """Start Latent with one model; `options` go to the command, `settings` differ from the defaults."""
        return self.serve(latent(self.models[model].store, self.latent, options, **settings))

    def check(self, server: Running, case: Case, closeness: Closeness | None = None) -> float:
        """Check a server's answer against TensorFlow's; return the largest difference. Raises BenchError."""
        model = self.models[case.model]
        response = server.ask(server.server.shot(case, model.items))
        allowed = closeness or Closeness(model.tolerance.rtol, model.tolerance.atol)
        return compare(server.server.name, case, response.content, model.items, allowed)

    def drive(
        self, server: Running, case: Case, seconds: int, cpus: AbstractSet[int] | None = None, threads: int = 1
    ) -> Drive:
        """Send requests of `case` to a server for some time, with wrk. Raises BenchError for any error."""
        shot = server.server.shot(case, self.models[case.model].items)
        before = server.cpu_s()
        with on(self.cpus.driver if cpus is None else cpus):
            load = drive(server.url, shot, connections=case.connections, seconds=seconds, threads=threads)
        cpu_s = server.cpu_s() - before
        server.settle()
        load.require_good(f"{server.server.name}, {case.name}")
        return Drive(load, 1e6 * cpu_s / load.requests)
