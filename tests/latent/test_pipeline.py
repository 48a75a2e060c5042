"""The bounded pipeline: order, limits, and which error is raised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from threading import Barrier, Event, Lock

import pytest

from latent.bulk.pipeline import in_order


def test_answers_come_in_the_order_of_the_pieces() -> None:
    later = Event()

    def work(piece: int) -> int:
        if piece == 0:
            assert later.wait(60)
        if piece == 3:
            later.set()
        return piece * piece

    assert list(in_order(range(50), work, workers=2)) == [piece * piece for piece in range(50)]


def test_every_worker_works_at_once() -> None:
    together = Barrier(3, timeout=60)
    assert list(in_order(range(9), lambda _: together.wait() >= 0, workers=3)) == [True] * 9


def test_no_more_pieces_are_held_than_the_bound() -> None:
    held, most, lock = 0, 0, Lock()

    def pieces() -> Iterator[int]:
        nonlocal held, most
        for piece in range(100):
            with lock:
                held += 1
                most = max(most, held)
            yield piece

    for _ in in_order(pieces(), lambda piece: piece, workers=3):
        with lock:
            held -= 1
    assert (held, most) == (0, 7)


def test_the_first_error_is_raised_in_its_turn() -> None:
    def pieces() -> Iterator[int]:
        yield from range(6)
        raise OSError(5, "the reader failed")

    def work(piece: int) -> int:
        if piece in (3, 4):
            raise ValueError(piece)
        return piece

    done: list[int] = []
    with pytest.raises(ValueError, match=r"^3$"):
        done.extend(in_order(pieces(), work, workers=4))
    assert done == [0, 1, 2]
    read: list[int] = []
    with pytest.raises(OSError, match="the reader failed"):
        read.extend(in_order(pieces(), lambda piece: piece, workers=4))
    assert read == [0, 1, 2, 3, 4, 5]


def test_who_leaves_early_leaves_nothing_running() -> None:
    begun: list[int] = []

    def work(piece: int) -> int:
        begun.append(piece)
        return piece

    with closing(in_order(range(1000), work, workers=2)) as answers:
        assert [next(answers), next(answers)] == [0, 1]
    assert len(begun) <= 6
