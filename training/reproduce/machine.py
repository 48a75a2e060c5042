"""Description of the machine on which seconds were measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PROCESSORS = Path("/proc/cpuinfo")


def describe_machine() -> str:
    """Describe the machine in one line: processor, number of CPUs, Python, TensorFlow and Keras."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(
        f"{name} {_version(package)}" for name, package in (("TensorFlow", "tensorflow"), ("Keras", "keras"))
    )
    return f"{_processor()}, {usable} virtual CPUs; Python {platform.python_version()}, {libraries}"


def _processor() -> str:
    try:
        lines = _PROCESSORS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _version(package: str) -> str:
    names = (package, f"{package}-cpu") if package == "tensorflow" else (package,)
    for name in names:
        try:
            return version(name)
        except ModuleNotFoundError:
            continue
    return "absent"
