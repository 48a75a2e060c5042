"""Every command in the pages works as the pages say, against a running service.

Every command in the `sh` blocks of these pages is run, or left out by a rule of LEFT_OUT. A page's commands run in
order and in one directory. Compared are the exit code, the status of each answer (200, or what a comment behind the
command begins with: `# 422: …`), the kind of each file that is written, and its shape where a comment ends in one. The
README's `python` blocks run as one program.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from latent.application import app
from latent.train_command import _settings
from tests.docs.commands import TIMEOUT_S, Command, commands, run, tools, wrong_with
from tests.docs.pages import PAGES, fences, name_of
from tests.support.server import ROOT, environment, running_server
from training import configure

RUN = (ROOT / "README.md", ROOT / "docs" / "api.md", ROOT / "docs" / "operations.md")

LEFT_OUT = {
    "make ": "installs, or runs for minutes; test_paths.py knows that the targets are there",
    "latent train ": "trains for minutes; below it is held to what the command takes",
    "latent serve": "serves until it is stopped: the service of these tests is one",
    "docker ": "needs a container engine; tests/container reads the files",
}
"""How commands begin that are not run, and why."""

RUNNABLE = ("curl ", "latent ")

ADMIN_KEY = "docs"


@dataclass(frozen=True)
class Shell:
    """Where a reader is: a service at `address`, the commands on the PATH, a directory with files of their own."""

    address: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl")
    place = tmp_path_factory.mktemp("docs")
    store = place / "store"
    made = subprocess.run(
        [sys.executable, "-m", "tests.docs.digits", str(store)],
        cwd=ROOT,
        env={**environment({}), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    path = os.pathsep.join([str(tools(place / "bin", curl)), os.environ["PATH"]])
    with running_server(store, admin_key=ADMIN_KEY) as server:
        settings = {"store": store, "admin_key": ADMIN_KEY}
        variables = environment(settings, [ROOT / "client"]) | {"PATH": path, "NO_PROXY": "*", "no_proxy": "*"}
        yield Shell(server.url.removeprefix("http://"), variables)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A working directory with what the pages take for the reader's own: digits.npy and photos/."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "digits.npy", rng.random((8, 28, 28), dtype=np.float32))
    for name in ("cats/one.png", "cats/two.png", "dogs/one.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), np.uint8)).save(tmp_path / "photos" / name)
    return tmp_path


def is_left_out(command: Command) -> bool:
    return command.text.startswith(tuple(LEFT_OUT))


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_every_command_does_what_the_page_says(page: Path, shell: Shell, directory: Path) -> None:
    to_run = [command for command in commands(page) if not is_left_out(command)]
    assert [str(command) for command in to_run if not command.text.startswith(RUNNABLE)] == [], "needs a rule"
    wrong = [what for command in to_run for what in run(command, shell.address, directory, shell.environment)]
    assert not wrong, "\n".join(wrong)


def test_every_rule_leaves_something_out() -> None:
    texts = [command.text for page in RUN for command in commands(page)]
    assert [rule for rule in LEFT_OUT if not any(text.startswith(rule) for text in texts)] == []


def test_the_pages_have_commands_to_run() -> None:
    for page in RUN:
        assert [command for command in commands(page) if not is_left_out(command)]


ENTRY: Any = typer.main.get_command(app)  # typer publishes no type of a group
LATENT = [command for page in PAGES for command in commands(page) if command.text.startswith("latent ")]


@pytest.mark.parametrize("command", LATENT, ids=lambda command: f"{name_of(command.page)}:{command.line}")
def test_every_latent_command_has_arguments_that_it_takes(command: Command) -> None:
    name, *arguments = command.arguments[1:]
    parser = ENTRY.commands[name]
    while hasattr(parser, "commands"):
        parser = parser.commands[arguments.pop(0)]
    given = parser.make_context(name, arguments).params
    if name == "train":
        configure(given["recipe"], data=given["data"], settings=_settings(given["settings"] or []))


def test_the_readmes_python_runs_as_one_program(shell: Shell, directory: Path) -> None:
    program = "\n".join(fence.text for fence in fences(ROOT / "README.md", "python"))
    shapes = re.findall(r"^(\w+) = .*# (\(\d[\d, ]*\))$", program, re.MULTILINE)
    assert shapes
    checked = program + "".join(f"assert {name}.shape == {shape}, {name}.shape\n" for name, shape in shapes)
    done = subprocess.run(
        [sys.executable, "-c", checked.replace("localhost:8000", shell.address)],
        cwd=directory,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_wrong_is_found(shell: Shell, directory: Path) -> None:
    def told(text: str) -> str:
        return "\n".join(run(Command(RUN[0], 1, text), shell.address, directory, shell.environment))

    assert told("curl -s localhost:8000/livez") == ""
    assert told("curl -s 'localhost:8000/sample?n=0'   # 422: too few") == ""
    assert "not ['200']" in told("curl -s 'localhost:8000/sample?n=0'")
    assert "not ['404']" in told("curl -s localhost:8000/livez   # 404")
    assert "nothing on stdout" in told("curl -s localhost:8000/livez >/dev/null")
    assert "exit code 3" in told("exit 3")
    assert "was not written" in told(": -o gone.npy")
    assert "on stderr: oh" in told("echo oh >&2")
    npy = "curl -s 'localhost:8000/sample?n=2' -H 'Accept: application/x-npy' -o two.npy"
    assert told(f"{npy}   # (2, 28, 28, 1)") == ""
    assert "two.npy is (2, 28, 28, 1)" in told(f"{npy}   # outputs, (2, 16)")
    assert "is no .gif file" in told("curl -s 'localhost:8000/sample?n=1' -o one.gif")
    assert "is no .npy file" in told("curl -s 'localhost:8000/sample?n=1' -H 'Accept: application/x-npz' -o one.npy")
    assert "does not know" in told("curl -s 'localhost:8000/sample?n=1' -o one.xyz")
    for suffix in (".npy", ".npz", ".json", ".csv", ".parquet", ".webp"):
        (directory / f"wrong{suffix}").write_bytes(b"neither\n")
        assert wrong_with(directory / f"wrong{suffix}"), suffix
