"""A SavedModel that was scanned: the only thing that an engine loads.

An engine reads files by their path, and a path may lead to other bytes than those that were scanned a moment before.
So it is not given the path of the version. `opened` lays out a directory of this process alone, whose saved_model.pb
is written from the scanned bytes. Nothing else of the version is in it but its variables, which are numbers: their
digests were checked, and the goldens are replayed on them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from model_store.artefacts.files import read_within
from model_store.artefacts.results import Scan
from model_store.artefacts.saved_model import MAX_GRAPH_BYTES
from model_store.artefacts.scan_saved_model import scan_saved_model
from model_store.errors import ArtefactUnreadable, FileAltered, ForbiddenOperation
from model_store.manifest import FileDigest

SAVED_MODEL = "saved_model.pb"
VARIABLES = "variables"
_PREFIX = "latent-"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there, for this user alone
"""Where the directory is made if TMPDIR, /tmp and the like are read-only or full."""
_MADE_BY_SCANNING = object()


class ScannedArtefact:
    """One half of a version, without forbidden operations. Only `scan_half` makes one."""

    def __init__(self, directory: Path, graph: bytes, scan: Scan, *, made_by: object) -> None:
        if made_by is not _MADE_BY_SCANNING:
            raise TypeError("a ScannedArtefact is made by scan_half alone")
        self._directory, self._graph, self.scan = directory, graph, scan

    @property
    def name(self) -> str:
        """What it is, such as `encoder`."""
        return self._directory.name

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """A directory with the graph that was scanned, for an engine to read; it is removed at the end.

        Raises OSError where no directory can be made.
        """
        with _private_directory() as private:
            directory = Path(private, self.name)
            directory.mkdir()
            (directory / SAVED_MODEL).write_bytes(self._graph)
            variables = self._directory.absolute() / VARIABLES
            if variables.is_dir():
                (directory / VARIABLES).symlink_to(variables, target_is_directory=True)
            yield directory

    @contextmanager
    def opened_for_tensorflow(self) -> Iterator[Path]:
        """As `opened`, for TensorFlow's loader, which may run more than is served. Raises what bars it."""
        if self.scan.not_for_tensorflow is not None:
            raise self.scan.not_for_tensorflow
        with self.opened() as directory:
            yield directory


def scan_half(directory: Path, files: Mapping[str, FileDigest] | None = None) -> ScannedArtefact:
    """Scan the SavedModel in a directory; with the manifest's `files`, the bytes must have the digest that they record.

    Raises FileMissing, FileUnreadable, UnsafePath, FileAltered, ArtefactUnreadable or ForbiddenOperation.
    """
    file = f"{directory.name}/{SAVED_MODEL}"
    graph = read_within(directory / SAVED_MODEL, file, MAX_GRAPH_BYTES)
    if files is not None and (file not in files or hashlib.sha256(graph).hexdigest() != files[file].sha256):
        raise FileAltered(f"{file} does not have the SHA-256 that the manifest records")
    try:
        scan = scan_saved_model(graph)
    except (ArtefactUnreadable, ForbiddenOperation) as error:
        raise error.standing_in(file) from None
    return ScannedArtefact(directory, graph, scan, made_by=_MADE_BY_SCANNING)


def _private_directory() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix=_PREFIX)
    except OSError:
        if not _MEMORY.is_dir():
            raise
        return tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_MEMORY)
