"""One soak: starts the service, loads it, swaps and kills, and judges what was seen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from latent.chaos.bounds import broken_by_answers, broken_by_gaps
from latent.chaos.load import Load
from latent.chaos.probe import Gaps, Probe
from latent.chaos.tally import Tally
from latent.chaos.target import Target
from latent.chaos.truth import questions
from tests.soak.bounds import broken_by_growth
from tests.soak.processes import History, Watch
from tests.soak.store import AffineTruth, Swapper, export_in_child
from tests.support.server import running_server


@dataclass(frozen=True)
class Plan:
    """What to do."""

    seconds: float
    workers: int = 2
    connections: int = 12
    seed: int = 1
    swap_every_s: float = 5.0
    kill_every_s: float = 20.0
    """Only where there are two workers or more."""
    fast_path: str = "on"


@dataclass(frozen=True)
class Result:
    """What was seen."""

    tally: Tally
    gaps: Gaps
    histories: list[History]
    swaps: int
    kills: int
    exit_code: int | None
    """Of the service, after SIGTERM."""
    log: list[str]
    """What the service logged as a warning or worse."""

    def broken(self, max_gap_s: float | None) -> list[str]:
        """Say which bounds are broken; `max_gap_s` None leaves the probe out."""
        lines = [*broken_by_answers(self.tally), *broken_by_growth(self.histories)]
        if max_gap_s is not None:
            lines += broken_by_gaps(self.gaps, max_gap_s)
        if self.exit_code != 0:
            lines.append(f"the service ended with exit code {self.exit_code}, not 0, after SIGTERM")
        if any("Traceback" in line for line in self.log):
            lines.append(
                f"the service logged a traceback: {next(line for line in self.log if 'Traceback' in line)[:300]}"
            )
        return lines


def soak(plan: Plan, tell: Callable[[str], None], exported: Path | None = None) -> Result:
    """Run a plan to its end. `exported` has the models of `tests.soak.store.export`, if they were exported before."""
    with tempfile.TemporaryDirectory(prefix="latent-soak-") as scratch:
        if exported is None:
            exported = Path(scratch) / "exported"
            tell("exporting the models")
            export_in_child(exported)
        swapper = Swapper.begin(Path(scratch) / "store", exported, plan.swap_every_s)
        with running_server(
            swapper.store.path, engine="openvino", workers=plan.workers, watch_s=0.5, log_level="warning",
            fast_path=plan.fast_path, cache_dir=Path(scratch) / "cache",
        ) as server:  # fmt: skip
            target = Target.learn(server.url)
            asked = [question for model in target.models for question in questions(model, plan.seed)]
            load = Load.of(target, asked, AffineTruth(), connections=plan.connections, seed=plan.seed)
            watch = Watch(server.process.pid)
            tally = Tally(watch.excuses)
            kill_every_s = plan.kill_every_s if plan.workers >= 2 else None
            with Probe(target.address) as probe, watch.watching(kill_every_s), swapper.swapping():
                progress = _Progress(plan.seconds, tally, watch, swapper, tell)
                load.run(tally, lambda: progress.is_over() or server.process.poll() is not None)
            server.terminate()
            exit_code = server.exit_code()
            log = server.log_text().splitlines()
        return Result(
            tally, probe.gaps, list(watch.histories.values()), swapper.swaps, len(watch.kills), exit_code, log
        )


class _Progress:
    """Tells once a second how far a soak is."""

    def __init__(
        self, seconds: float, tally: Tally, watch: Watch, swapper: Swapper, tell: Callable[[str], None]
    ) -> None:
        self._seconds, self._tally, self._watch, self._swapper, self._tell = seconds, tally, watch, swapper, tell
        self._begun, self._told_s = time.monotonic(), 0.0

    def is_over(self) -> bool:
        """Tell, where it is time, and say whether the soak has taken its time."""
        now_s = time.monotonic() - self._begun
        if now_s - self._told_s >= 1.0:
            self._told_s = now_s
            self._tell(
                f"{now_s:.0f} of {self._seconds:.0f} s: {self._tally.requests} requests, {self._tally.faults} faults, "
                f"{self._swapper.swaps} versions, {len(self._watch.kills)} workers killed, {_rss(self._watch)} MB"
            )
        return now_s >= self._seconds


def _rss(watch: Watch) -> str:
    """The resident megabytes of the processes that live."""
    newest = max((history.samples[-1].at for history in watch.histories.values()), default=0.0)
    living = [history.samples[-1] for history in list(watch.histories.values()) if history.samples[-1].at == newest]
    return " + ".join(f"{sample.rss_mb:.0f}" for sample in living)
