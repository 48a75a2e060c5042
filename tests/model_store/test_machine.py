"""The processor's name from /proc/cpuinfo, and the fallback without one."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from model_store import machine
from model_store.machine import cpu_flags, cpu_model

TWO_CPUS = """processor\t: 0
model name\t: Quick 9000 @ 2.0 GHz: fast
flags\t\t: fpu avx2
vmx flags\t: vnmi

processor\t: 1
model name\t: Slow 1
flags\t\t: fpu
"""


def test_the_first_cpu_counts() -> None:
    assert cpu_model(TWO_CPUS) == "Quick 9000 @ 2.0 GHz: fast"
    assert cpu_flags(TWO_CPUS) == {"fpu", "avx2"}


def test_without_a_list_python_names_the_cpu_and_no_instruction_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "absent")
    assert cpu_model() == cpu_model("Features\t: fp asimd\n") == (platform.processor() or platform.machine())
    assert cpu_flags() == frozenset()


def test_this_machines_processor_has_a_name() -> None:
    assert len(cpu_model()) > 2
