"""Runs the command: in this process for its answers, or in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latent.cli import run
from model_store import ModelStore

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - any JSON
        """Standard output as JSON, of a command that succeeded."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on standard error of a command that failed, without its `latent: `."""
        assert self.code == 2, self
        assert self.err.startswith("latent: "), self
        assert self.err.count("\n") == 1, self
        assert self.err.endswith("\n"), self
        assert "Traceback" not in self.err
        return self.err.removeprefix("latent: ").removesuffix("\n")


Latent = Callable[..., Outcome]


@pytest.fixture
def latent(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Latent:
    """Run the command in this process, in an empty directory."""
    for name in [name for name in os.environ if name.startswith("LATENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


def command(*arguments: object) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "latent.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Of such a process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATENT_")}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])}


def run_process(*arguments: object, cwd: Path, **variables: str) -> Outcome:
    """Run the command as a process of its own."""
    done = subprocess.run(
        command(*arguments), cwd=cwd, env=environment() | variables, capture_output=True, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def store(affine_store: ModelStore) -> Path:
    return affine_store.path


@pytest.fixture
def fresh(fresh_store: ModelStore) -> Path:
    return fresh_store.path


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """A 4×4 picture: left half 0.2, right half 0.6."""
    pixels = np.full((4, 4), 51, np.uint8)
    pixels[:, 2:] = 153
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    return tmp_path / "grey.png"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Columns in another order than the model's, and a label that is none of its business."""
    (tmp_path / "table.csv").write_text("label,depth,height,width\na,30,20,10\nb,35,16,12\n", encoding="utf-8")
    return tmp_path / "table.csv"
