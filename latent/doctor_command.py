"""`latent doctor`: checks the installation, the engines and the store."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from latent.errors import CommandError, sentence
from latent.options import DEFAULT_STORE, JsonOption, StoreOption, TrustedKeysOption
from latent.output import print_json, print_pairs, print_table, say
from model_store import Finding, ModelStore
from model_store.errors import StoreError
from model_store.signatures import TrustedKeys

_PACKAGES = (
    "latent",
    "numpy",
    "pillow",
    "pydantic",
    "fastapi",
    "uvicorn",
    "openvino",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "scikit-learn",
    "matplotlib",
    "mlxtend",
    "pyarrow",
)


@dataclass(frozen=True)
class EngineReport:
    """Result for one engine: whether it works, and the version that it was tried on."""

    name: str
    works: bool
    tried: str | None
    """The version whose goldens it reproduced; None if the store has no sound version."""
    reason: str | None
    """Why it does not work."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Serving")(doctor)


def doctor(
    *, trusted_keys: TrustedKeysOption = None, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """Tell what is installed, which engines work, and whether the store is sound."""
    keeper = ModelStore(store, TrustedKeys.read(trusted_keys))
    findings = list(keeper.verify()) if store.is_dir() else []
    damaged = [finding for finding in findings if finding.error]
    engines = _try_engines(store, _sound_version(store, findings))
    installed = {name: _installed(name) for name in _PACKAGES}
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if as_json:
        print_json(
            {
                "python": platform.python_version(),
                "cpus": cpus,
                "packages": installed,
                "engines": [asdict(engine) for engine in engines],
                "store": {
                    "path": str(store),
                    "exists": store.is_dir(),
                    "checked": len(findings),
                    "damaged": [{"subject": finding.subject, "error": str(finding.error)} for finding in damaged],
                },
            }
        )
    else:
        print_pairs([("Python", platform.python_version()), ("CPUs", cpus), ("store", _store_text(store, findings))])
        say("")
        print_table(["package", "version"], [[name, number or "not installed"] for name, number in installed.items()])
        say("")
        print_table(
            ["engine", "works", "tried on, or why not"],
            [_row(engine) for engine in engines],
            folding=["tried on, or why not"],
        )
    if not any(engine.works for engine in engines):
        raise CommandError(f"nothing can be served: {'; '.join(f'{e.name}: {e.reason}' for e in engines)}")
    if damaged:
        raise CommandError(f"{len(damaged)} of {len(findings)} damaged in {store}: {damaged[0].error}")


def _sound_version(store: Path, findings: list[Finding]) -> tuple[str, int] | None:
    """Find the first sound version, to try the engines on."""
    for finding in findings:
        if finding.error is None and "@" in finding.subject:
            return ModelStore(store).resolve(finding.subject)
    return None


def _try_engines(store: Path, tried_on: tuple[str, int] | None) -> list[EngineReport]:
    from service.engines import ENGINES

    return [_try_engine(name, store, tried_on) for name in ENGINES]


def _try_engine(name: str, store: Path, tried_on: tuple[str, int] | None) -> EngineReport:
    """Load an engine and, if there is a version, replay its goldens."""
    from service.engines import EngineError, create_engine
    from service.models.loaded_version import check_directory
    from training.tensorflow_import import native_noise_dropped

    try:
        with native_noise_dropped():
            if tried_on is None:
                create_engine(name, 0)
                return EngineReport(name, works=True, tried=None, reason=None)
            keeper = ModelStore(store)
            check_directory(name, keeper.directory(*tried_on), keeper.manifest(*tried_on))
    except (ImportError, OSError, RuntimeError, EngineError, StoreError) as error:
        reason = sentence(error) or f"{type(error).__name__}: {error}"
        return EngineReport(name, works=False, tried=None, reason=" ".join(reason.split()))
    return EngineReport(name, works=True, tried=f"{tried_on[0]}@{tried_on[1]}", reason=None)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _store_text(store: Path, findings: list[Finding]) -> str:
    if not store.is_dir():
        return f"{store} (not there yet: latent train makes it)"
    damaged = sum(finding.error is not None for finding in findings)
    verdict = f"{damaged} of {len(findings)} damaged" if damaged else f"sound, {len(findings)} checked"
    return f"{store} ({verdict})"


def _row(engine: EngineReport) -> list[str]:
    return [engine.name, "yes" if engine.works else "no", engine.reason or engine.tried or "loaded; no model to try"]
