"""Reads files of a network whole, within a limit."""

from __future__ import annotations

from pathlib import Path

from model_store.errors import ArtefactUnreadable, FileMissing
from model_store.files import words
from model_store.version_files import read_version_file


def read_within(path: Path, name: str, max_bytes: int) -> bytes:
    """The bytes of a regular file, which messages call `name`.

    Raises FileMissing, ArtefactUnreadable where it has more than `max_bytes`, FileUnreadable or UnsafePath.
    """
    try:
        return read_version_file(path, name, max_bytes, ArtefactUnreadable)
    except FileNotFoundError as error:
        raise FileMissing(f"{name} cannot be read ({words(error)})") from error
