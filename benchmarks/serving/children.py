"""Runs measurements in child processes, which print their results as lines of JSON."""

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
"""The repository's root: children start here, so that `-m` finds these packages."""

_END_S = 10.0
"""Seconds that a child gets to end after its input is closed."""


def run_child(module: str, *arguments: str) -> Any:  # noqa: ANN401 - each module has its own answer
    """Run a module to its end; return its last line of output as JSON, or None. Raises BenchError where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{module} failed: {last_line(done.stderr)}")
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith(("{", "[")) else None


class Child:
    """A child process that answers every input line with a line of JSON. A context manager; ready when constructed.

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
        """Ask the child for its next result."""
        stdin = self._process.stdin
        if stdin is None:
            raise BenchError(f"{self._module} cannot be asked")
        try:
            stdin.write("\n")
            stdin.flush()
        except BrokenPipeError:
            pass  # the child has ended; the next read raises its error
        return self._heard()

    def _heard(self) -> Any:  # noqa: ANN401
        """Read the next line of JSON; other lines are output of libraries, and are skipped."""
        for line in self._process.stdout or ():
            if line.startswith("{"):
                return json.loads(line)
        self._errors.seek(0)
        raise BenchError(f"{self._module} failed: {last_line(self._errors.read())}")

    def __enter__(self) -> Self:
        """Return the child."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the child's input, and wait until it has ended."""
        try:
            self._process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._errors.close()


def last_line(text: str) -> str:
    """The last line of a failed command's output, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
