"""What a service must hold while it is loaded, and why."""

from __future__ import annotations

from collections.abc import Iterator

from latent.chaos.probe import Gaps
from latent.chaos.tally import Tally

MAX_GAP_S = 2.0
"""The longest wait of the probe. A service that has CPUs of its own keeps it under 0.5 s. Where clients and service
share two CPUs with other programs, the machine alone takes longer: a probe that is itself held up says so."""
_SHOWN = 5


def broken_by_answers(tally: Tally) -> Iterator[str]:
    """Say which bounds the answers break.

    A status that nobody expects is a fault of the service, or a refusal that its documentation does not have: clients
    can act on a 4xx that fits, on 503 (later) and on 504 (smaller), and on nothing else. A wrong answer is worse than
    none.
    """
    for line, times in tally.unexpected.most_common(_SHOWN):
        yield f"unexpected status, {times} ×: {line}"
    for line, times in tally.wrong.most_common(_SHOWN):
        yield f"wrong or missing answer, {times} ×: {line}"
    if not any("200" in row.statuses for row in tally.rows.values()):
        yield "no request was answered with 200"


def broken_by_gaps(gaps: Gaps, max_gap_s: float) -> Iterator[str]:
    """Say whether the probe waited too long.

    Orchestrators end a process whose liveness probe is late, and every other client waits as long as the probe did.
    """
    if gaps.asked == 0:
        yield "the probe of /livez saw nothing"
    if gaps.longest_s > max_gap_s:
        yield (
            f"/livez was not answered for {gaps.longest_s:.2f} s ({gaps.longest_at_s:.0f} s after the start), "
            f"allowed are {max_gap_s:g} s; the probe itself was held up for {gaps.own_delay_s:.2f} s at most"
        )
