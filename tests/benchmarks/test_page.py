"""The generated part of docs/performance.md, and the file with the results."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.serving import page
from benchmarks.serving.errors import BenchError
from benchmarks.serving.machine import Machine, cpu_name
from benchmarks.serving.results import Measured, Outcome, Results, Table, read_results, write_results

ROOT = Path(__file__).parents[2]
MACHINE = Machine(
    cpu="Quick 9000 (avx2)",
    cpus=2,
    pinned=True,
    memory_gb=23.6,
    system="Linux 6.1",
    python="3.13.5",
    packages={"latent": "0.1.0"},
    measured_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    other_load=0.04,
)


def results(**figures: list[float]) -> Results:
    table = Table(title="Start and memory", headings=["", "ready, s"], rows=[["latent", "0.91"]])
    outcome = Outcome(tables=[table], figures=figures, notes=["Measured at night."])
    return Results(parts={"start": Measured(machine=MACHINE, quick=False, outcome=outcome)})


def test_the_text_goes_between_the_marks() -> None:
    old = f"above\n\n{page.BEGIN}\nold\n{page.END}\n\nbelow\n"
    once = page.between_marks(old, "new\n")
    assert once == f"above\n\n{page.BEGIN}\n\nnew\n\n{page.END}\n\nbelow\n"
    assert page.between_marks(once, "new") == once


@pytest.mark.parametrize(
    "text", ["no marks", page.BEGIN, f"{page.END} {page.BEGIN}", f"{page.BEGIN} {page.END} {page.BEGIN} {page.END}"]
)
def test_a_page_without_its_marks_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="each once"):
        page.between_marks(text, "new")


def test_a_section_has_machine_notes_and_tables() -> None:
    text = page.markdown(results(**{"start/latent/dense/ready_s": [0.9, 0.91, 0.95]}))
    assert "| ready | ≤ 1 s | 0.910 (0.900–0.950) s | reached |" in text
    assert (
        "`--only start`. Quick 9000 (avx2), 2 CPUs (server and load on a CPU each), 24 GB, Linux 6.1,"
        " 2026-03-04 05:06 UTC, load average before it 0.04. Python 3.13.5, latent 0.1.0."
    ) in text
    assert text.endswith(
        "Measured at night.\n\n**Start and memory**\n\n|  | ready, s |\n| --- | --- |\n| latent | 0.91 |"
    )


def test_the_page_can_be_written(tmp_path: Path) -> None:
    copy = tmp_path / "performance.md"
    copy.write_bytes((ROOT / "docs" / "performance.md").read_bytes())
    page.write_page(copy, results())
    assert "| latent | 0.91 |" in copy.read_text(encoding="utf-8")


def test_results_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    assert read_results(path).parts == {}
    write_results(path, results(ready=[1.0, 0.95, 1234567.0], off=[-5.9604644775e-07], none=[]))
    assert read_results(path) == results(ready=[1.0, 0.95, 1234570.0], off=[-5.96046e-07], none=[])
    assert '"ready": [1, 0.95, 1.23457e+06]' in path.read_text(encoding="utf-8")


def test_newer_parts_take_the_place_of_older_ones() -> None:
    other = Results(parts={"engine": results(us=[3.0]).parts["start"]})
    merged = results(ready=[1.0]).with_parts(other).with_parts(results(ready=[2.0]))
    assert merged.figures() == {"ready": [2.0], "us": [3.0]}


def test_another_file_is_no_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"parts": 3}', encoding="utf-8")
    with pytest.raises(BenchError, match="holds no results of this benchmark"):
        read_results(path)


def test_the_name_of_a_cpu_has_its_vector_units() -> None:
    text = "processor\t: 0\nmodel name\t: Quick 9000\nflags\t\t: fpu avx2 sse avx512_bf16\n"
    assert cpu_name(text) == "Quick 9000 (avx2, avx512_bf16)"
    assert "(" not in cpu_name("CPU architecture: 8\n")
