"""Description of the machine on which seconds were measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from model_store.machine import cpu_model


def describe_machine() -> str:
    """Describe the machine in one line: processor, number of CPUs, Python, TensorFlow and Keras."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(
        f"{name} {_version(package)}" for name, package in (("TensorFlow", "tensorflow"), ("Keras", "keras"))
    )
    return f"{cpu_model()}, {usable} virtual CPUs; Python {platform.python_version()}, {libraries}"


def _version(package: str) -> str:
    names = (package, f"{package}-cpu") if package == "tensorflow" else (package,)
    for name in names:
        try:
            return version(name)
        except ModuleNotFoundError:
            continue
    return "absent"
