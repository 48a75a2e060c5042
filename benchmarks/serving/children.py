"""Measurements that need a process of their own, and say what they found as one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.serving.errors import BenchError

ROOT = Path(__file__).parents[2]
"""Where the packages are: children are started here, so that `-m` finds the same ones."""


def run_child(module: str, *arguments: str) -> Any:  # noqa: ANN401 - each module has its own answer
    """Run a module to its end; what its last line of output says, or None. Raises BenchError where it fails."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{module} failed: {last_line(done.stderr)}")
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines and lines[-1].startswith(("{", "[")) else None


def last_line(text: str) -> str:
    """What a failed command says last, at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
