"""Describes the conditions of a measurement: machine, package versions, date."""

from __future__ import annotations

import importlib.metadata
import platform
from datetime import UTC, datetime

import psutil
from pydantic import BaseModel

from benchmarks.serving.cpus import Cpus
from model_store.machine import cpu_flags, cpu_model

PACKAGES = ("latent", "fastapi", "uvicorn", "uvloop", "httptools", "openvino", "tensorflow", "tensorflow-cpu", "numpy")


class Machine(BaseModel):
    """The machine and the package versions of a measurement, on its date."""

    cpu: str
    cpus: int
    """Number of CPUs that the run could use."""
    pinned: bool
    """Whether server and driver ran on different CPUs."""
    memory_gb: float
    system: str
    python: str
    packages: dict[str, str]
    measured_at: datetime
    other_load: float
    """Load average of the minute before the first measurement: above about 0.3, the figures are not reliable."""

    def sentences(self) -> str:
        """The description as two sentences for the page."""
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        placing = "server and load on a CPU each" if self.pinned else "server and load on the same CPUs"
        return (
            f"{self.cpu}, {self.cpus} CPUs ({placing}), {self.memory_gb:.0f} GB, {self.system},"
            f" {self.measured_at:%Y-%m-%d %H:%M} UTC, load average before it {self.other_load:.2f}."
            f" Python {self.python}, {versions}."
        )


def describe(cpus: Cpus) -> Machine:
    """Describe this machine now."""
    return Machine(
        cpu=cpu_name(),
        cpus=len(cpus.every) or psutil.cpu_count() or 1,
        pinned=cpus.pinned,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _version(name)) is not None},
        measured_at=datetime.now(UTC).replace(microsecond=0),
        other_load=round(psutil.getloadavg()[0], 2),
    )


def cpu_name(cpu_info: str | None = None) -> str:
    """The processor's name, with those of its vector units that matter for inference."""
    known = cpu_flags(cpu_info)
    units = [unit for unit in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if unit in known]
    return " ".join([cpu_model(cpu_info), *([f"({', '.join(units)})"] if units else [])])


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
