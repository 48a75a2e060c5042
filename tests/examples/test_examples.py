"""Every example runs unchanged against a real service, and does what its docstring says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from model_store import ModelStore
from tests.support.server import ROOT, RunningServer, running_server


@pytest.fixture(scope="module")
def server(affine_store: ModelStore) -> Iterator[RunningServer]:
    """A service whose default model takes 4 × 4 images."""
    with running_server(affine_store.path, default_model="image") as running:
        yield running


def _run(name: str, directory: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / name, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_http_only_writes_its_pictures(server: RunningServer, tmp_path: Path) -> None:
    said = _run("http_only.py", tmp_path, server.url)
    assert "image@1 sampled 2 items" in said
    for name, size in (("samples.png", (64, 64)), ("both.png", (16, 32)), ("morph.gif", (16, 16))):
        with Image.open(tmp_path / name) as picture:
            assert picture.size == size


def test_search_finds_the_pictures_most_like_the_first(server: RunningServer, tmp_path: Path) -> None:
    for name, grey in (("a", 100), ("b", 102), ("c", 250), ("d", 0), ("e", 103), ("f", 150), ("g", 200)):
        Image.new("L", (4, 4), grey).save(tmp_path / f"{name}.png")
    said = _run("search.py", tmp_path, server.url, str(tmp_path))
    assert re.findall(r"^  (\w)\.png", said, flags=re.MULTILINE) == ["b", "e", "f", "d", "g"]


def test_anomalies_rise_with_the_noise(server: RunningServer, tmp_path: Path) -> None:
    lines = _run("anomalies.py", tmp_path, server.url).splitlines()[1:]
    errors = [float(line.split()[1]) for line in lines]
    assert len(errors) == 5
    assert errors == sorted(errors)
    assert errors[-1] > errors[0]


def test_styles_draw_every_item_on_each_label(server: RunningServer, tmp_path: Path) -> None:
    said = _run("styles.py", tmp_path, server.url, "conditional")
    assert said.startswith("styles.png: 8 items")
    with Image.open(tmp_path / "styles.png") as picture:
        labels = said.rpartition(" as ")[2].split(", ")
        assert picture.size == (2 * 4 * (1 + len(labels)), 2 * 4 * 8)
