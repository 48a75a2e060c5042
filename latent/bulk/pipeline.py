"""A bounded pipeline: several threads work on pieces at once; results come out in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(pieces: Iterable[T], work: Callable[[T], R], *, workers: int) -> Generator[R, None, None]:
    """Generate `work(piece)` of each piece, in order; at most 2 `workers` + 1 pieces are held at any time.

    The caller's own thread reads the pieces and takes what comes out, while the workers work. An error is raised in
    its piece's turn, so it is always the first one; then nothing further is begun.
    """
    waiting: deque[Future[R]] = deque()
    source, failure = iter(pieces), None
    with ThreadPoolExecutor(workers, thread_name_prefix="bulk") as pool:
        try:
            while True:
                try:
                    piece = next(source)
                except StopIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised below, when its turn has come
                    failure = error
                    break
                waiting.append(pool.submit(work, piece))
                del piece
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    if failure is not None:
        raise failure
