"""Parses the commands of documentation pages, runs them against a service, and checks their results."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.docs.pages import Fence, fences, name_of

TIMEOUT_S = 120.0
OK = "200"

_STATUS = re.compile(r"^HTTP (\d{3}) ?(.*)$", re.MULTILINE)
_CURL = re.compile(r"(?:^|[|;(&]\s*)curl\s")
_EXPECTED = re.compile(r"\s#\s*([1-5]\d\d)\b")
_SHAPE = re.compile(r"\s#.*(\(\d[\d, ]*\))$")


@dataclass(frozen=True)
class Command:
    """A command of a fenced block, its continuation lines joined."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}: {self.text}"

    @property
    def arguments(self) -> list[str]:
        """Its words, comments left out."""
        return shlex.split(self.text, comments=True)

    @property
    def statuses(self) -> list[str]:
        """The HTTP status of each call of curl: 200, or what a comment behind the command begins with."""
        said = _EXPECTED.search(self.text)
        return [said[1] if said else OK] * len(_CURL.findall(self.text))

    @property
    def files(self) -> list[str]:
        """What it writes: the names after -o."""
        words = self.arguments
        return [words[i + 1] for i, word in enumerate(words) if word == "-o"]


def commands(page: Path) -> list[Command]:
    """The commands of the page's `sh` blocks, in order."""
    return [command for block in fences(page, "sh") for command in _commands_of(block)]


def _commands_of(block: Fence) -> list[Command]:
    found: list[Command] = []
    begun, first = "", 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        first = first if begun else number
        part, continues = line.strip().removesuffix("\\"), line.endswith("\\")
        begun += part
        if continues:
            continue
        if begun and not begun.startswith("#"):
            found.append(Command(block.page, first, begun))
        begun = ""
    return found


def tools(directory: Path, curl: str) -> Path:
    """A directory for the PATH: a curl that tells its answers on stderr, this interpreter's `latent` and `python3`."""
    directory.mkdir()
    calls = {
        "curl": [curl, "--show-error", "--write-out", r"%{stderr}HTTP %{http_code} %{content_type}\n"],
        "latent": [sys.executable, "-m", "latent.cli"],
        "python3": [sys.executable],
    }
    for name, call in calls.items():
        (directory / name).write_text(f'#!/bin/sh\nexec {shlex.join(call)} "$@"\n', encoding="utf-8")
        (directory / name).chmod(0o755)
    return directory


def run(command: Command, address: str, directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Run it in `directory`, with `address` in place of the documented one; say what is not as it should be."""
    before = {path.name for path in directory.iterdir()}
    done = subprocess.run(
        ["sh", "-euc", command.text.replace("localhost:8000", address)],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    wrong = []
    answers = _STATUS.findall(done.stderr)
    if done.returncode != 0:
        wrong.append(f"exit code {done.returncode}")
    if [status for status, _ in answers] != command.statuses:
        wrong.append(f"answered {answers}, not {command.statuses}")
    if said := _STATUS.sub("", done.stderr).strip():
        wrong.append(f"on stderr: {said}")
    if (
        not command.files
        and "|" not in command.arguments
        and (what := _not_as_announced(done.stdout, [kind for _, kind in answers]))
    ):
        wrong.append(what)
    new = {path.name for path in directory.iterdir()} - before
    files = {name: wrong_with(directory / name) for name in sorted({*command.files, *new})}
    wrong.extend(f"{name}: {what}" for name, what in files.items() if what)
    if (shape := _SHAPE.search(command.text)) and shape[1] != (got := _shape(directory / command.files[0])):
        wrong.append(f"{command.files[0]} is {got}")
    return [f"{command}\n    {what}\n    {done.stdout[:300]}" for what in wrong]


def _not_as_announced(stdout: str, kinds: list[str]) -> str | None:
    """What is wrong with the answer of one call of curl on stdout, JSON as a rule."""
    if not stdout.strip():
        return "nothing on stdout" if kinds else None
    if len(kinds) == 1 and "json" in kinds[0]:
        try:
            json.loads(stdout)
        except ValueError as error:
            return f"no JSON: {error}"
    return None


def wrong_with(path: Path) -> str | None:
    """What is wrong with a file: that it is not there, or not of the kind that its name says."""
    if not path.is_file():
        return "was not written"
    if path.suffix not in KINDS:
        return f"tests/docs/commands.py does not know what a {path.suffix} file is"
    try:
        KINDS[path.suffix](path)
    except (ValueError, OSError) as error:
        return f"is no {path.suffix} file: {error}"
    return None


def _array(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)  # np.load would take an archive too


def _shape(path: Path) -> str:
    return str(_array(path).shape) if wrong_with(path) is None else "nothing"


def _archive(path: Path) -> None:
    with np.load(path, allow_pickle=False) as archive:
        if not [archive[name] for name in archive.files]:
            raise ValueError("it holds no array")


def _picture(path: Path) -> None:
    with Image.open(path, formats=[path.suffix.removeprefix(".")]) as picture:
        picture.load()


def _table(path: Path) -> None:
    rows = path.read_text(encoding="utf-8").splitlines()
    if len(rows) < 2 or len({row.count(",") for row in rows}) != 1:
        raise ValueError("rows are missing, or of different lengths")


def _parquet(path: Path) -> None:
    data = path.read_bytes()
    if not (data.startswith(b"PAR1") and data.endswith(b"PAR1")):
        raise ValueError("it lacks the magic bytes")


def _key(path: Path) -> None:
    if not path.read_text(encoding="ascii").startswith("-----BEGIN P"):
        raise ValueError("it is no PEM")


KINDS: dict[str, Callable[[Path], object]] = {
    ".png": _picture,
    ".gif": _picture,
    ".webp": _picture,
    ".npy": _array,
    ".npz": _archive,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".csv": _table,
    ".parquet": _parquet,
    ".pem": _key,
    ".pub": _key,
}
