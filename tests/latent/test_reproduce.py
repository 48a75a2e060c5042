"""The command `latent reproduce`, run with its arguments as text."""

from __future__ import annotations

from pathlib import Path

import pytest

import training
from tests.latent.conftest import Latent

TABLE = [name for name in training.recipe_names() if training.load_recipe(name).published is not None]


@pytest.mark.parametrize("recipe", TABLE)
def test_every_row_runs_in_seconds_and_keeps_nothing(latent: Latent, recipe: str) -> None:
    document = latent("reproduce", recipe, "--budget", "quick", "--json")
    assert document.code == 0, document.err
    assert document.err.startswith(f"{recipe}: ran on "), document.err
    assert list(Path.cwd().iterdir()) == []


def test_rows_are_printed_as_lines_or_as_json(latent: Latent) -> None:
    done = latent("reproduce", "sine-linear-ae", "--results", "kept")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("sine-linear-ae: principal_angle_deg 0.")
    assert "reached; PCA MSE" in done.out
    assert sorted(path.name for path in Path("kept").iterdir()) == ["results.json", "results.md"]
    again = latent("reproduce", "sine-linear-ae", "--results", "kept", "--json")
    assert "(kept from " in again.err
    assert '"reached": true' in again.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sine-linear"], "unknown recipe 'sine-linear'; did you mean sine-linear-ae"),
        (["--budget", "slow"], "invalid value for '--budget'"),
        (["sine-linear-ae", "--results", "file"], "file"),
    ],
)
def test_what_is_wrong_is_one_line(latent: Latent, arguments: list[str], complaint: str) -> None:
    Path("file").write_text("")
    assert complaint in latent("reproduce", *arguments).complaint
