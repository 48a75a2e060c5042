"""Parses a Dockerfile as far as the tests need: the instructions of each target."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    keyword: str
    value: str


def instructions(path: Path) -> list[Instruction]:
    """Every instruction in order, comments left out."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [
        Instruction(keyword.upper(), value.strip())
        for keyword, _, value in (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    ]


def stages(path: Path) -> dict[str, tuple[str, list[Instruction]]]:
    """Stage -> what it is built from, and its own instructions."""
    found: dict[str, tuple[str, list[Instruction]]] = {}
    current: list[Instruction] = []
    for instruction in instructions(path):
        if instruction.keyword == "FROM":
            base, _, name = instruction.value.partition(" AS ")
            current = []
            found[name.strip()] = (base.strip(), current)
        else:
            current.append(instruction)
    return found


def target(path: Path, name: str) -> list[Instruction]:
    """All instructions of a target, those of the stages below it first."""
    every = stages(path)
    base, own = every[name]
    return (target(path, base) if base in every else []) + own


def environment(built: list[Instruction]) -> dict[str, str]:
    """What the ENV instructions set."""
    words = (word for step in built if step.keyword == "ENV" for word in shlex.split(step.value))
    return dict(word.split("=", 1) for word in words)
