"""The processor that this process runs on: what it calls itself and which instructions it has.

Both are read from Linux' /proc/cpuinfo. Where there is none, the name comes from Python and no instruction is known.
"""

from __future__ import annotations

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def cpu_model(cpu_info: str | None = None) -> str:
    """The processor's name, from the text of /proc/cpuinfo: this machine's where none is given."""
    return _first("model name", cpu_info) or platform.processor() or platform.machine()


def cpu_flags(cpu_info: str | None = None) -> frozenset[str]:
    """The processor's instruction sets, such as `avx2`, from the text of /proc/cpuinfo: this machine's by default."""
    return frozenset(_first("flags", cpu_info).split())


def _first(field: str, cpu_info: str | None) -> str:
    """The value of a field at its first line, which is the first CPU's; empty where there is none."""
    text = _read_cpu_info() if cpu_info is None else cpu_info
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _read_cpu_info() -> str:
    try:
        return _CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
