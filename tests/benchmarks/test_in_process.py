"""The server without a socket: it answers, with and without the fast path."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from benchmarks.serving.cases import MEDIA_TYPES
from benchmarks.serving.children import Child
from benchmarks.serving.in_process import MEASURES, PARTS, PATCHES
from model_store import ModelStore


def _attribute(path: str) -> object:
    """What a dotted path names. Raises AttributeError or ImportError where nothing is there."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        return getattr(_attribute(module), name)


@pytest.mark.parametrize("place", [place for places in PATCHES.values() for place in places])
def test_what_a_measure_replaces_is_there(place: str) -> None:
    assert callable(_attribute(place))


def test_only_measures_are_replaced() -> None:
    assert PATCHES.keys() <= MEASURES.keys()


@pytest.mark.parametrize("without", ["everything", "fast_path"])
def test_both_ways_to_a_verb_answer(without: str, affine_store: ModelStore, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text('{"inputs": [[0.1, 0.2, 0.3]]}')
    request = {"path": "/encode?model=vector", "file": str(body), "media_type": MEDIA_TYPES["json"]}
    task = {"store": str(affine_store.path), "requests": {"one": request}, "seconds": 0.01, "without": without}
    with Child("benchmarks.serving.in_process", json.dumps(task)) as child:
        assert child.ask()["one"].keys() == {"cpu_us", "rest_us", "whole_us", *(f"{part}_us" for part in PARTS)}
