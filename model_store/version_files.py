"""Reads one file of a version whole; what bars it is said as the contract says it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_store.errors import FileUnreadable, UnsafePath, VersionDamaged
from model_store.files import NotRegular, TooLarge, read_bounded, words


def read_version_file(path: Path, name: str, max_bytes: int, too_large: type[VersionDamaged]) -> bytes:
    """Read a regular file, which messages call `name`; `too_large` is raised where it has more than `max_bytes`.

    Raises FileNotFoundError, FileUnreadable, or UnsafePath for a pipe, socket or device.
    """
    with contract_errors(name):
        try:
            return read_bounded(path, max_bytes)
        except TooLarge as error:
            raise too_large(f"{name} cannot be read ({words(error)})") from error


@contextmanager
def contract_errors(name: str) -> Iterator[None]:
    """Turn what bars a file of a version, which messages call `name`, into FileUnreadable or UnsafePath.

    FileNotFoundError stays: what that means, each reader says itself.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except NotRegular as error:
        raise UnsafePath(f"{name} is no regular file but {error.kind}") from error
    except OSError as error:
        raise FileUnreadable(f"{name} cannot be read ({words(error)})") from error
