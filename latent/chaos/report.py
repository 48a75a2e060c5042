"""The tables of a run, as headings and rows."""

from __future__ import annotations

from collections.abc import Sequence

from latent.chaos.probe import Gaps
from latent.chaos.tally import Tally

REQUESTS = ("requests", "sent", "statuses", "p50 ms", "p99 ms", "longest ms")


def rows_of(tally: Tally) -> list[list[str]]:
    """One row for each kind of request."""
    found = []
    for kind, row in sorted(tally.rows.items()):
        statuses = ", ".join(f"{status} × {times}" for status, times in row.statuses.most_common())
        figures = [_ms(row.percentile_ms(p)) for p in (50, 99, 100)]
        found.append([kind, str(row.statuses.total()), statuses, *figures])
    return found


def sentences_of(tally: Tally, gaps: Gaps) -> list[str]:
    """The run in a few lines."""
    probe = (
        f"/livez asked {gaps.asked} times: longest wait {gaps.longest_s * 1e3:.0f} ms, {gaps.over_50_ms} over 50 ms, "
        f"{gaps.refused} connections refused or lost (the probe itself was held up for {gaps.own_delay_s * 1e3:.0f} ms "
        "at most)"
    )
    return [f"{tally.requests} requests, {tally.faults} with an unexpected status or a wrong answer", probe]


def verdict(broken: Sequence[str]) -> list[str]:
    """The last lines of a run."""
    return [f"BROKEN: {line}" for line in broken] or ["every bound holds"]


def _ms(milliseconds: float | None) -> str:
    return "–" if milliseconds is None else f"{milliseconds:.4g}"
