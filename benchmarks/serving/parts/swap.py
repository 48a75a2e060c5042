"""Measures version swaps under load: latency and errors while another version is promoted every two seconds."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from benchmarks.serving.bench import Bench
from benchmarks.serving.cases import Case
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import number, spread
from benchmarks.serving.models import DENSE
from benchmarks.serving.processes import Running
from benchmarks.serving.results import Outcome, Table
from benchmarks.serving.servers import latent
from benchmarks.serving.wrk import Load, drive
from model_store import ModelStore

CASE = Case(DENSE, "encode", "json", 1, 16)
EVERY_S = 2.0
_POLL_S = 0.05
_ROUNDS = 3


def measure(bench: Bench) -> Outcome:
    """Measure without and with swaps, in turns, on one server with a store of two versions."""
    store = ModelStore(shutil.copytree(bench.models.two_versions, bench.scratch / "swapped"))
    store.promote(f"{DENSE}@1")
    quiet_s, swaps = (2, 2) if bench.quick else (3, 4)
    figures: dict[str, list[float]] = defaultdict(list)
    with bench.serve(latent(Path(store.path), bench.latent)) as server:
        for turn in range(1 if bench.quick else _ROUNDS):
            bench.tell(f"swap: round {turn + 1}")
            quiet = bench.drive(server, CASE, quiet_s).load
            load, delays_s = _under_swaps(bench, server, store, swaps)
            figures["swap/quiet_p99_ms"].append(quiet.p99_ms)
            figures["swap/p99_ms"].append(load.p99_ms)
            figures["swap/max_ms"].append(load.max_ms)
            figures["swap/failed_requests"].append(load.refused + load.socket_errors)
            figures["swap/quiet_requests_per_s"].append(quiet.per_second)
            figures["swap/requests_per_s"].append(load.per_second)
            figures["swap/seconds_to_new_version"] += delays_s
    return Outcome(tables=[_table(figures)], figures=dict(figures))


def _under_swaps(bench: Bench, server: Running, store: ModelStore, swaps: int) -> tuple[Load, list[float]]:
    """Drive the server during a number of swaps; return the load, and the seconds until each version answered."""
    shot = server.server.shot(CASE, bench.models[DENSE].items)
    with ThreadPoolExecutor(1) as pool:
        driven = pool.submit(drive, server.url, shot, connections=CASE.connections, seconds=int(EVERY_S * swaps))
        delays_s = []
        for _ in range(swaps):
            until = time.perf_counter() + EVERY_S
            delays_s.append(_promote_other(bench, server, store, until))
            _wait(driven, until)
        return driven.result(), delays_s


def _promote_other(bench: Bench, server: Running, store: ModelStore, until: float) -> float:
    """Promote the other version; return the seconds until it serves. Raises BenchError where it does not."""
    other = 3 - store.aliases(DENSE)["production"]
    store.promote(f"{DENSE}@{other}")
    promoted = time.perf_counter()
    one = server.server.shot(Case(DENSE, "encode", "json", 1, 1), bench.models[DENSE].items)
    while time.perf_counter() < until + EVERY_S:
        if server.ask(one).headers["X-Latent-Model"] == f"{DENSE}@{other}":
            return time.perf_counter() - promoted
        time.sleep(_POLL_S)
    raise BenchError(f"{DENSE}@{other} was promoted, and did not serve within {2 * EVERY_S:g} s")


def _wait(driven: Future[Load], until: float) -> None:
    """Wait until a time, or until the driver has ended."""
    with suppress(TimeoutError):
        driven.result(max(0.0, until - time.perf_counter()))


def _table(figures: dict[str, list[float]]) -> Table:
    medians = {name: spread(values).median for name, values in figures.items()}
    rows = [
        ["quiet", number(medians["swap/quiet_requests_per_s"]), number(medians["swap/quiet_p99_ms"]), "", "0", ""],
        [
            f"a swap every {EVERY_S:g} s",
            number(medians["swap/requests_per_s"]),
            number(medians["swap/p99_ms"]),
            number(max(figures["swap/max_ms"])),
            f"{sum(figures['swap/failed_requests']):g}",
            str(spread(figures["swap/seconds_to_new_version"])),
        ],
    ]
    headings = ["c = 16", "requests/s", "p99 ms", "slowest ms", "failed requests", "until the new version answers, s"]
    return Table(title="Swaps of a version under load", headings=headings, rows=rows)
