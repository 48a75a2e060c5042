"""A store whose model gets a new version again and again, each with answers that are known by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from latent.chaos.truth import Array, Question
from model_store import ModelStore
from model_store.preprocess import array_to_input, output_to_user
from model_store.versions import parse_reference
from tests.docs.digits import digits
from tests.support.affine import AFFINE, Affine, publish_affine
from tests.support.publisher import republish
from tests.support.server import ROOT

SWAPPED, OTHERS = "digits", ("conditional", "vector", "sequence")
"""The model whose versions are swapped; one of each other kind, which stay as they are."""
_STOP_S = 60.0


def sides() -> tuple[Affine, Affine]:
    """What the versions of the swapped model are in turn: their codes have opposite signs."""
    one = digits()
    other = replace(
        one, encode_weight=-one.encode_weight, encode_bias=-one.encode_bias, decode_weight=-one.decode_weight
    )
    return one, other


def export(store: Path) -> None:
    """Publish one version of each model, and both sides of the swapped one, which needs TensorFlow."""
    for number, side in enumerate(sides()):
        publish_affine(store, f"side-{number}", side)
    for name in OTHERS:
        publish_affine(store, name, AFFINE[name])


def export_in_child(store: Path) -> None:
    """The same in a process of its own, so that TensorFlow is not in this one."""
    subprocess.run(
        [sys.executable, "-m", "tests.soak.store", str(store)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        check=True,
    )


class AffineTruth:
    """The closed forms of every version in the store."""

    tolerance = 1e-3

    def __init__(self) -> None:
        self._sides = sides()

    def answer(self, question: Question, reference: str) -> Array:
        """What the version `reference` must answer; the swapped model's versions 1, 3, 5 … are its first side."""
        named = parse_reference(reference)
        affine = self._sides[1 - int(named.selector or 0) % 2] if named.name == SWAPPED else AFFINE[named.name]
        spec = question.model.input
        if question.verb == "decode":
            outputs = affine.decode(question.items, _indices(question))
        else:
            x = array_to_input(question.items, spec)
            if question.verb == "encode":
                return affine.encode(x, _indices(question))[0]
            outputs = affine.reconstruct(x, _indices(question))
        return output_to_user(outputs, spec)


def _indices(question: Question) -> Array | None:
    return None if question.labels is None else np.array(question.labels)


@dataclass
class Swapper:
    """Publishes and promotes the next version of the swapped model every few seconds, and removes the old ones."""

    store: ModelStore
    exported: ModelStore
    every_s: float
    swaps: int = 0
    error: Exception | None = None

    @classmethod
    def begin(cls, store: Path, exported: Path, every_s: float) -> Swapper:
        """Make a store of the exported models, with version 1 of the swapped one."""
        swapper = cls(ModelStore(store), ModelStore(exported), every_s)
        for name in OTHERS:
            republish(store, name, swapper.exported.directory(name, 1))
        swapper.swap()
        return swapper

    def swap(self) -> None:
        """Publish and promote the next version, and remove the one before the last."""
        side = 0 if not self.swaps else self.store.versions(SWAPPED)[-1] % 2
        version = republish(self.store.path, SWAPPED, self.exported.directory(f"side-{side}", 1)).version
        self.store.promote(f"{SWAPPED}@{version}")
        for old in self.store.versions(SWAPPED)[:-2]:
            self.store.remove(SWAPPED, old)
        self.swaps += 1

    @contextmanager
    def swapping(self) -> Iterator[None]:
        """Swap in a thread meanwhile. Raises what went wrong there."""
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(self.every_s):
                try:
                    self.swap()
                except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
                    self.error = error
                    return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_STOP_S)
        if self.error is not None:
            raise self.error


if __name__ == "__main__":
    export(Path(sys.argv[1]))
