"""A user without a home and without an entry in /etc/passwd, as containers have: everything works, without a cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from model_store import ModelStore
from tests.latent.conftest import command, environment

NOBODY = 4_000_000_000
"""A user id that no system gives to anybody."""


def run(*arguments: object, cwd: Path, home: str | None) -> subprocess.CompletedProcess[str]:
    """Run the command as that user, in a user namespace of its own."""
    unshare = shutil.which("unshare")
    as_nobody = [str(unshare), "--user", f"--map-user={NOBODY}"]
    if unshare is None or subprocess.run([*as_nobody, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("users without an entry are made by unshare and user namespaces, which are not there")
    variables: Mapping[str, str] = {
        name: value for name, value in environment().items() if name != "HOME" and not name.startswith(("XDG_", "MPL"))
    }
    return subprocess.run(
        [*as_nobody, *command(*arguments)],
        cwd=cwd,
        env={**variables, **({} if home is None else {"HOME": home})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("home", [None, "", "/proc", "missing"])
def test_one_request_in_process(affine_store: ModelStore, tmp_path: Path, home: str | None) -> None:
    home = str(tmp_path / "missing") if home == "missing" else home
    done = run("sample", "image", "--seed", 1, "--store", affine_store.path, cwd=tmp_path, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_training_leaves_nothing_but_the_model(tmp_path: Path) -> None:
    done = run(
        "train", "sine-linear-ae", "--epochs", 1, "--set", "training.min_epoch_steps=5", cwd=tmp_path, home=None
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Matplotlib" not in done.stderr
    assert os.listdir(tmp_path) == ["store"]  # noqa: PTH208


def test_data_below_a_home_that_is_not_there(tmp_path: Path) -> None:
    done = run("train", "mnist-vae", "--data", "~/pictures", cwd=tmp_path, home=None)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no home directory" in done.stderr
