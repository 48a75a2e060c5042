"""The parts and durations of a whole run and of a quick run."""

from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.serving import parts
from benchmarks.serving.__main__ import main
from benchmarks.serving.cases import Case
from benchmarks.serving.cpus import Cpus, shared_out
from benchmarks.serving.models import CONVOLUTIONAL, DENSE
from benchmarks.serving.parts import requests, workers
from benchmarks.serving.servers import CONSTANT, EMPTY, ENGINE, LATENT, NAIVE


def test_every_part_is_a_module() -> None:
    assert len(parts.PARTS) == 10
    assert all(callable(import_module(f"benchmarks.serving.parts.{name}").measure) for name in parts.PARTS)


def test_the_main_table_has_every_verb_body_load_and_model() -> None:
    asked = requests.cases(quick=False)
    assert len(set(asked)) == 2 * 3 * 2 * 4
    assert {case.name for case in requests.cases(quick=True)} == {
        f"dense/encode/{body}/{load}" for body in ("json", "npy") for load in ("1x1", "1x16", "1x64", "64x4")
    }


@pytest.mark.parametrize(("quick", "rounds", "seconds", "engine"), [(True, 1, 32, 2), (False, 5, 5 * 116, 5 * 5)])
def test_the_main_table_takes_its_time(*, quick: bool, rounds: int, seconds: int, engine: int) -> None:
    turns = rounds * requests.turns(requests.cases(quick=quick))
    assert sum(requests.seconds_of(name, case) for case, name in turns if name != ENGINE) == seconds
    assert sum(name == ENGINE for _, name in turns) == engine


def test_what_a_ratio_is_made_of_is_measured_one_after_the_other() -> None:
    turns = requests.turns(requests.cases(quick=False))
    assert turns[:6] == [
        (Case(CONVOLUTIONAL, "encode", "json", 1, 1), LATENT),
        *((Case(DENSE, "encode", "json", 1, 1), name) for name in (LATENT, EMPTY, NAIVE, CONSTANT)),
        (Case(CONVOLUTIONAL, "encode", "json", 1, 1), NAIVE),
    ]
    beside = [one for one in turns if one[0].name.endswith("/encode/npy/1x64")]
    assert [(case.model, name) for case, name in beside][:4] == [
        (CONVOLUTIONAL, LATENT),
        (CONVOLUTIONAL, ENGINE),
        (DENSE, LATENT),
        (DENSE, EMPTY),
    ]
    assert len(turns) == len(set(turns))


def test_the_limits_are_measured_where_a_figure_refers_to_them() -> None:
    asked = {requests.who(case) for case in requests.cases(quick=False) if case.model == DENSE}
    assert asked == {(LATENT, NAIVE, EMPTY, CONSTANT, ENGINE), (LATENT, NAIVE, EMPTY, CONSTANT), (LATENT, NAIVE)}


@pytest.mark.parametrize(
    ("cpus", "counts"), [(1, [1, 2]), (2, [1, 2]), (4, [1, 2]), (8, [1, 2, 4]), (64, [1, 2, 4, 8, 16, 32])]
)
def test_workers_leave_the_driver_a_cpu(cpus: int, counts: list[int]) -> None:
    assert workers.counts(cpus) == counts


def test_without_lists_workers_are_placed_as_ever() -> None:
    placed = workers.placings(frozenset({0, 1}), None)
    assert placed == {1: shared_out({0, 1}, 1), 2: shared_out({0, 1}, 2)}
    assert placed[2].driver == placed[2].server == {0, 1}


@pytest.mark.parametrize(("server", "numbers"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4]), (8, [1, 2, 4, 8])])
def test_workers_take_the_first_of_the_cpus_that_are_named(server: int, numbers: list[int]) -> None:
    driver = frozenset(range(8, 16))
    placed = workers.placings(frozenset(range(16)), Cpus(frozenset(range(16)), frozenset(range(server)), driver))
    assert list(placed) == numbers
    assert all(shares.server == set(range(count)) and shares.driver == driver for count, shares in placed.items())


def test_workers_are_waited_for_until_all_report_and_all_are_ready() -> None:
    said = "# TYPE latent_workers gauge\nlatent_workers {}\nlatent_workers_more 9.0\nlatent_ready {}\n"
    assert workers._all_ready(said.format("2.0", "1.0"), 2)
    assert not workers._all_ready(said.format("1.0", "1.0"), 2)
    assert not workers._all_ready(said.format("2.0", "0.0"), 2)


def test_a_list_of_cpus_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "workers", "--server-cpus", "eight"])
    assert "--server-cpus: 'eight' is no list of CPUs" in capsys.readouterr().err


def test_cpus_that_this_machine_lacks_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "workers", "--server-cpus", "5000"]) == 2
    assert capsys.readouterr().err.startswith("bench: this process may not use CPU 5000")


def test_without_wrk_the_command_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--quick"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("bench: wrk is missing")
    assert said.err.count("\n") == 1
