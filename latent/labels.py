"""Reading labels from options of the command line."""

from __future__ import annotations

from model_store.manifest import Manifest


def listed_labels(text: str, manifest: Manifest) -> list[int | str]:
    """Split class names and indices, separated by commas."""
    return [as_label(part.strip(), manifest) for part in text.split(",")]


def as_label(text: str, manifest: Manifest) -> int | str:
    """Read one label: a number is an index, unless it is the name of a class."""
    return int(text) if text.isdecimal() and text not in (manifest.input.class_names or ()) else text
