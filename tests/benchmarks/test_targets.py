"""Targets: how each is computed from figures, and its verdict in words."""

from __future__ import annotations

import pytest

from benchmarks.serving import targets
from benchmarks.serving.figures import Figures
from benchmarks.serving.targets import TARGETS, Target, bound_at, judgements


def figures() -> dict[str, list[float]]:
    """Three rounds; only what the convolutional figures need."""
    engine = "the engine alone"
    return {
        f"{engine}/dense/encode/json/1x64/us_per_image": [10.0, 10.0, 10.0],
        f"{engine}/convolutional/encode/json/1x64/us_per_image": [50.0, 50.0, 60.0],
        "latent/dense/encode/json/1x64/cpu_us": [110.0, 110.0, 130.0],
        "latent/convolutional/encode/json/1x64/cpu_us": [165.0, 330.0, 165.0],
        "latent/convolutional/encode/npy/64x4/requests_per_s": [500.0, 625.0, 703.125],
        f"{engine}/convolutional/encode/npy/64x4/us_per_image": [20.0, 20.0, 1e6 / 45_000],
    }


def target(beginning: str) -> Target:
    """The first one whose name begins so."""
    return next(one for one in TARGETS if one.what.startswith(beginning))


def test_convolutional_cpu_allows_the_engine_and_more_of_the_rest() -> None:
    # Dense spends 110 - 10 = 100 µs outside its engine; allowed are 50 + 1.15 × 100 = 165 µs.
    found = target("convolutional, json").values(figures())
    assert found == pytest.approx([1.0, 2.0, 165 / (60 + 1.15 * 120)])


def test_the_share_of_the_engine() -> None:
    found = target("convolutional, 64 images").judge(figures())
    assert found.found is not None
    assert found.found.median == pytest.approx(625 * 64 / 50_000)
    assert found.found.most == pytest.approx(703.125 * 64 / 45_000)
    assert found.reached is True


@pytest.mark.parametrize(
    ("load", "cost", "share"), [(4.0, 0.1, 0.6 / 0.9), (4.0, 0.25, 0.0), (1.5, 0.5, 0.5), (4, 1, 0)]
)
def test_what_refusing_leaves(load: float, cost: float, share: float) -> None:
    assert bound_at(load, cost) == pytest.approx(share)


def test_four_times_the_load_is_judged_by_what_refusing_leaves_round_by_round() -> None:
    measured: Figures = {
        "overload/refusal_cost": [0.1, 0.25, 0.1],
        "overload/4/goodput_share": [0.58, 0.05, 0.5],
        "overload/4/sent_share": [4.0, 4.0, 3.7],
    }
    found = target("overload, 4 ×: goodput").judge(measured)
    assert found.found is not None
    assert found.found.median == pytest.approx(58 - 100 * 0.6 / 0.9)
    assert found.found.least == pytest.approx(50 - 70)
    assert found.reached is True


def test_no_round_may_fail() -> None:
    measured: Figures = {"overload/1.5/late": [0.0, 0.0, 1.0]}
    assert target("overload, 1.5 ×: answers past").judge(measured).reached is False


def test_a_ratio_to_an_eighth() -> None:
    measured: Figures = {
        "latent/dense/encode/json/1x64/p99_ms": [20.0, 24.0, 40.0],
        "naive/dense/encode/json/1x64/p99_ms": [160.0, 160.0, 160.0],
    }
    found = target("encode, 1 image, c=64, json: p99 to the naive").judge(measured)
    assert found.result == "1.20 (1.00–2.00) ×"
    assert found.verdict == "not reached"
    assert target("encode, 1 image, c=64, json: p99").judge(measured).verdict == "reached"


def test_what_was_not_measured_is_not_reached() -> None:
    assert {one.reached for one in judgements({})} == {None}
    assert {row[3] for row in targets.table(judgements({})).rows} == {"not measured"}


def test_npy_is_held_to_the_naive_service_in_json() -> None:
    measured: Figures = {
        "latent/dense/encode/npy/64x4/requests_per_s": [1400.0],
        "naive/dense/encode/json/64x4/requests_per_s": [40.0],
        "naive/dense/encode/npy/64x4/requests_per_s": [700.0],
    }
    assert target("encode, 64 images a request, npy").judge(measured).result == "35.0 ×"


def test_names_are_told_apart() -> None:
    names = [one.what for one in TARGETS]
    assert len(set(names)) == len(names) == 35


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("encode, 1 image, c=64, json: to the empty route", "≥ 1 ×"),
        ("encode, 1 image, c=16, json: to the empty route", "≥ 0.9 ×"),
        ("encode, 1 image, c=64, npy: to the empty route", "≥ 1.35 ×"),
        ("encode, 1 image, c=1, json: to the naive service", "≥ 3 ×"),
        ("encode, 1 image, c=1, npy: to the naive service", "≥ 3.3 ×"),
        ("2 workers, convolutional, 64 images, npy", "≥ 1.5"),
    ],
)
def test_bounds(what: str, wanted: str) -> None:
    assert target(what).wanted == wanted


def test_workers_are_held_to_the_cpus_that_they_use_together() -> None:
    pinned: Figures = {"workers/2/convolutional/encode/npy/64x4/cpus": [0.96, 0.97, 0.95]}
    free: Figures = {"workers/2/convolutional/encode/npy/64x4/cpus": [1.8, 1.4, 1.7]}
    assert target("2 workers").judge(pinned).reached is False
    assert target("2 workers").judge(free).reached is True
