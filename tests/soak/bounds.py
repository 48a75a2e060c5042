"""What the processes of the service must hold, and why; what its answers must hold is in `latent.chaos.bounds`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.soak.processes import LEAST_S, History

RSS_FACTOR = 1.25
"""Resident memory in the last quarter of a life, as a part of that in the first. Allocators keep what was once the
peak, and swapped versions leave fragments; a leak goes on growing, and passes any bound in a longer run."""
COUNT_FACTOR = 1.10
FEW = {"threads": 8, "descriptors": 24}
"""Threads and descriptors in the last quarter: a tenth more, and a few. A version that is loading has threads of its
own, and the number of clients' connections moves by a few from sample to sample."""
GRACE_MB = 20.0
"""A small process may move by so much: the supervisor has 50 MB."""


def broken_by_growth(histories: Iterable[History]) -> Iterator[str]:
    """Say which processes grew; those with short lives are left out."""
    for history in histories:
        if history.counted_s < LEAST_S:
            continue
        first, last = history.quarters("rss_mb")
        if last > max(RSS_FACTOR * first, first + GRACE_MB):
            yield f"{history.name} grew from {first:.0f} to {last:.0f} MB: more than {RSS_FACTOR:g} ×"
        for figure, few in FEW.items():
            first, last = history.quarters(figure)
            if last > COUNT_FACTOR * first + few:
                yield f"{history.name} went from {first:g} to {last:g} {figure}: more than {COUNT_FACTOR:g} × + {few}"


def unjudged(histories: Iterable[History]) -> str | None:
    """Say where no life was long enough to be judged."""
    if any(history.counted_s >= LEAST_S for history in histories):
        return None
    return "too short to judge growth: give it two minutes or more"
