"""Measurements that need a process of their own, and say what they found as one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.serving.errors import BenchError

ROOT = Path(__file__).parents[2]
"""Where the packages are: children are started here, so that `-m` finds the same ones."""

_END_S = 10.0
"""For a child to end in when it is not asked any more."""


def run_child(module: str, *arguments: str) -> Any:  # noqa: ANN401 - each module has its own answer
    """Run a module to its end; what its last line of output says, or None. Raises BenchError where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{module} failed: {last_line(done.stderr)}")
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith(("{", "[")) else None


class Child:
    """A module that stays, and answers a line of JSON to every line; use as a context. It is ready when it is made.

    Raises BenchError where it fails.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._module, self._errors = module, tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on exit
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            self._heard()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def ask(self) -> Any:  # noqa: ANN401 - each module has its own answer
        """Its next answer."""
        stdin = self._process.stdin
        if stdin is None:
            raise BenchError(f"{self._module} cannot be asked")
        try:
            stdin.write("\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why
        return self._heard()

    def _heard(self) -> Any:  # noqa: ANN401
        """The next line of JSON; other lines are what a library had to say."""
        for line in self._process.stdout or ():
            if line.startswith("{"):
                return json.loads(line)
        self._errors.seek(0)
        raise BenchError(f"{self._module} failed: {last_line(self._errors.read())}")

    def __enter__(self) -> Self:
        """The child itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask nothing more, and wait for its end."""
        try:
            self._process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._errors.close()


def last_line(text: str) -> str:
    """What a failed command says last, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
