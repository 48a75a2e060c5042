"""Fixtures with stores for every test; their models are described in tests/support/affine.py."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from model_store import ModelStore

# The same examples in every run, and nothing remembered between runs.
settings.register_profile("latent", derandomize=True, database=None, deadline=None)
settings.load_profile("latent")

# What a shell starts in the background ignores Ctrl-C, and so would the commands that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def affine_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """One version of every affine model, shared by the whole session: read only.

    Exported by a process of its own, so that TensorFlow is in none of the others unless a test asks for it.
    `AFFINE_STORE` names a store that was exported before: `make test-lowest` sets it, for it has no TensorFlow.
    """
    if made_before := os.environ.get("AFFINE_STORE"):
        return ModelStore(Path(made_before))
    path = tmp_path_factory.mktemp("affine") / "store"
    made = subprocess.run(
        [sys.executable, "-m", "tests.support.affine", str(path)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return ModelStore(path)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two pairs of keys to sign versions with: `ours` and `theirs`."""
    from model_store.keys import write_new_key

    directory = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        write_new_key(directory / name)
    return directory


@pytest.fixture
def fresh_store(affine_store: ModelStore, tmp_path: Path) -> ModelStore:
    """A copy of `affine_store` to write to."""
    return ModelStore(shutil.copytree(affine_store.path, tmp_path / "store"))
