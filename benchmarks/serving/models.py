"""The models of the benchmark: trained once, and kept in a directory that `make clean` removes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.cases import Items
from benchmarks.serving.children import run_child
from model_store import ModelStore
from model_store.manifest import SCHEMA_VERSION, Tolerance

DENSE = "dense"
"""A dense autoencoder, 784-256-64-(2+2) and back: the recipe mnist-vae-mse."""
CONVOLUTIONAL = "convolutional"
"""The default model, mnist-vae."""
NAMES = (DENSE, CONVOLUTIONAL)
TWO_VERSIONS = "two-versions"
"""A store with two versions of the dense model."""
REFERENCE = "reference.npz"

_MADE = "made"
_EDITION = f"1, manifest schema {SCHEMA_VERSION}"
"""A change of this text makes the models be trained again."""


@dataclass(frozen=True)
class Model:
    """One trained model, in a store of its own."""

    name: str
    store: Path
    version: Path
    """The directory of the served version."""
    items: Items
    tolerance: Tolerance


@dataclass(frozen=True)
class Models:
    """All models of the benchmark."""

    by_name: dict[str, Model]
    two_versions: Path

    def __getitem__(self, name: str) -> Model:
        """The model with this name, one of NAMES."""
        return self.by_name[name]


def are_made(cache: Path) -> bool:
    """Whether all models are in the cache already."""
    marker = cache / _MADE
    return marker.exists() and marker.read_text(encoding="utf-8") == _EDITION


def prepare(cache: Path) -> Models:
    """Load the models from `cache`; train them first if needed, in a minute. Raises BenchError where that fails."""
    if not are_made(cache):
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True)
        run_child("benchmarks.serving.train_models", str(cache))
        (cache / _MADE).write_text(_EDITION, encoding="utf-8")
    return Models({name: _read(cache, name) for name in NAMES}, cache / TWO_VERSIONS)


def _read(cache: Path, name: str) -> Model:
    store = ModelStore(cache / name)
    _, version = store.resolve(name)
    return Model(
        name=name,
        store=store.path,
        version=store.directory(name, version),
        items=Items.read(cache / name / REFERENCE),
        tolerance=store.manifest(name, version).tolerance,
    )
