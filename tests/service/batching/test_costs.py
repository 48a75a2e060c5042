"""Cost curves: the cost of a batch, and the best batch size."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import NoReturn

import pytest

from service.batching.cache import CostCache, users_cache_directory
from service.batching.costs import CostCurve

MS = 1e-3


@pytest.mark.parametrize(("rows", "seconds"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (7, 4), (8, 4)])
def test_a_batch_costs_what_the_size_that_holds_it_does(rows: int, seconds: float) -> None:
    curve = CostCurve((1, 2, 4, 8), (1.0, 2.0, 3.0, 4.0))
    assert curve.seconds_of[rows] == seconds


def test_no_batch_is_larger_than_the_largest_size() -> None:
    curve = CostCurve((1, 2, 4, 8), (1.0, 2.0, 3.0, 4.0))
    assert len(curve.seconds_of) == 8 + 1
    assert max(curve.size_for) <= 8


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ((1 * MS, 1 * MS, 1 * MS, 1 * MS), 8),  # rows are free
        ((1 * MS, 2 * MS, 4 * MS, 8 * MS), 1),  # nothing is gained
        ((1 * MS, 1.5 * MS, 2.9 * MS, 5.8 * MS), 2),  # 3 % more is no reason to wait
        ((1 * MS, 2 * MS, 4 * MS, 4 * MS), 8),  # a plateau that ends
    ],
)
def test_a_batch_grows_while_throughput_does(seconds: tuple[float, ...], best: int) -> None:
    assert CostCurve((1, 2, 4, 8), seconds).best_size == best


@pytest.mark.parametrize(
    ("rows", "taken"),
    [
        (1, 4),  # several callers' rows go into one batch
        (8, 8),  # two batches of four would take 2.0
        (7, 4),  # four and three take 1.9
        (6, 4),  # four and two take 1.7
        (16, 4),  # no call holds them all
    ],
)
def test_a_callers_rows_stay_together_where_that_costs_nothing(rows: int, taken: int) -> None:
    curve = CostCurve((1, 2, 3, 4, 8), (0.6, 0.7, 0.9, 1.0, 1.96))
    assert curve.best_size == 4
    assert curve.size_for[min(rows, curve.sizes[-1] + 1)] == taken


IDENTITY = {"version": "m@1", "half": "encoder"}


def test_a_curve_is_kept_for_the_same_program_alone(tmp_path: Path) -> None:
    cache, curve = CostCache(tmp_path / "new"), CostCurve((1, 2), (0.25, 0.5))
    assert cache.read(IDENTITY) is None
    cache.write(IDENTITY, curve)
    assert CostCache(tmp_path / "new").read(IDENTITY) == curve
    assert cache.read({**IDENTITY, "half": "decoder"}) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"sizes": [1], "seconds": []}',
        '{"sizes": [], "seconds": []}',
        '{"sizes": [2, 1], "seconds": [1, 2]}',
        '{"sizes": [1], "seconds": [0]}',
        '{"sizes": [1], "seconds": ["x"]}',
    ],
)
def test_a_file_that_is_no_curve_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    cache = CostCache(tmp_path)
    cache.write(IDENTITY, CostCurve((1,), (1.0,)))
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert cache.read(IDENTITY) is None


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = CostCache(tmp_path / "file")
    cache.write(IDENTITY, CostCurve((1,), (1.0,)))
    assert cache.read(IDENTITY) is None


def test_without_a_directory_nothing_is_kept() -> None:
    cache = CostCache(None)
    cache.write(IDENTITY, CostCurve((1,), (1.0,)))
    assert cache.read(IDENTITY) is None


def test_the_users_cache_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = users_cache_directory()
    assert directory is not None
    assert directory.is_relative_to(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    assert users_cache_directory() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", [None, "", "relative"])
def test_a_user_without_a_home_has_no_cache_directory(
    home: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nobody(uid: int) -> NoReturn:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)
    directory = users_cache_directory()
    assert directory is None or directory.is_absolute()  # an empty home is / for older platformdirs
    assert list(tmp_path.iterdir()) == []
