"""What a whole run and a quick one measure, and for how long."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.serving import parts
from benchmarks.serving.__main__ import main
from benchmarks.serving.models import DENSE
from benchmarks.serving.parts import requests, workers
from benchmarks.serving.servers import CONSTANT, EMPTY, LATENT, NAIVE


def test_every_part_is_a_module() -> None:
    assert len(parts.PARTS) == 10
    assert all(callable(import_module(f"benchmarks.serving.parts.{name}").measure) for name in parts.PARTS)


def test_the_main_table_has_every_verb_body_load_and_model() -> None:
    asked = requests.cases(quick=False)
    assert len(set(asked)) == 2 * 3 * 2 * 4
    assert {case.name for case in requests.cases(quick=True)} == {
        f"dense/encode/{body}/{load}" for body in ("json", "npy") for load in ("1x1", "1x16", "1x64", "64x4")
    }


@pytest.mark.parametrize(("quick", "rounds", "seconds"), [(True, 1, 32), (False, 5, 5 * 134)])
def test_the_main_table_takes_its_time(*, quick: bool, rounds: int, seconds: int) -> None:
    turns = [(name, case) for case in requests.cases(quick=quick) for name in requests.who(case)]
    assert rounds * sum(requests.seconds_of(name, case, quick=quick) for name, case in turns) == seconds


def test_the_limits_are_measured_where_a_figure_refers_to_them() -> None:
    asked = {requests.who(case) for case in requests.cases(quick=False) if case.model == DENSE}
    assert asked == {(LATENT, NAIVE, EMPTY, CONSTANT), (LATENT, NAIVE)}


@pytest.mark.parametrize(
    ("cpus", "counts"), [(1, [1, 2]), (2, [1, 2]), (4, [1, 2]), (8, [1, 2, 4]), (64, [1, 2, 4, 8, 16, 32])]
)
def test_workers_leave_the_driver_a_cpu(cpus: int, counts: list[int]) -> None:
    assert workers.counts(cpus) == counts


def test_without_wrk_the_command_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--quick"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bench: wrk is missing")
    assert said.err.count("\n") == 1
