"""Reads the store by polling: which models and versions exist, and where the aliases point.

The store is polled, not subscribed to: change notices (inotify) say nothing of what another machine writes to a
network file system, and are missing in some containers' mounts. A look reads the names in each model's directory and
its aliases.json, and more only for what is new or has failed. Nothing is written, so a read-only mount will do.
Modification times are not trusted to tell that nothing has changed: some file systems keep none for directories.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from model_store import Manifest, ModelStore
from model_store.aliases import parse_aliases, published_versions, read_alias_bytes
from model_store.errors import ModelUnreadable, StoreError, StoreMissing, StoreUnreadable
from model_store.files import shown, words
from model_store.litter import is_litter
from model_store.store import model_directories, model_unreadable

Version = tuple[str, int]
"""A version's key: the model's name and the version's number."""
Signature = tuple[tuple[str, int, int, int], ...]
"""Path, bytes, times of modification and of the last change of state (nanoseconds) of every file, sorted.

The second time changes with a file's permissions too.
"""


@dataclass(frozen=True)
class Found:
    """The content of one model's directory: versions and aliases."""

    versions: tuple[int, ...]
    """Version numbers, ascending; empty where all were removed."""
    aliases: Mapping[str, int] | None
    """None where aliases.json cannot be read."""
    aliases_error: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """The content of the store at one moment."""

    models: Mapping[str, Found]
    unreadable: Mapping[str, ModelUnreadable]
    """Models whose directory cannot be read now, with the reason."""
    manifests: Mapping[Version, Manifest | StoreError]
    """Manifests of versions that are new, or that failed and have changed files since."""
    signatures: Mapping[Version, Signature]
    """Signatures of the versions in `manifests`, taken before each manifest was read."""


@dataclass
class StorePoller:
    """Polls a store: each `look` returns a snapshot. Use it from one thread at a time."""

    store: ModelStore
    only: str | None = None
    """The only model to look at; None for every model."""
    _aliases: dict[str, tuple[bytes | None, Mapping[str, int] | None, str | None]] = field(default_factory=dict)
    """The last bytes of each aliases.json and their parsed content, so that only changed files are parsed again."""

    def look(
        self, known: Collection[Version] = (), failed: Mapping[Version, Signature | None] = MappingProxyType({})
    ) -> Snapshot:
        """Read the store now; `known` versions are skipped, unless they `failed` and have changed files.

        A failed version with None for its files is read again in any case.

        Raises StoreMissing where the store does not exist or has no model's directory, as an unmounted volume has
        none; StoreUnreadable where it cannot be read, or is another directory at the end of the look.
        """
        before = self._identity()
        errors: dict[str, ModelUnreadable] = {}
        models: dict[str, Found] = {}
        for name in self._names(errors):
            try:
                models[name] = self._found(name)
            except OSError as error:
                errors[name] = model_unreadable(self.store.path / name, error)
        manifests: dict[Version, Manifest | StoreError] = {}
        signatures: dict[Version, Signature] = {}
        for name, found in models.items():
            for version in found.versions:
                if (name, version) in known and (name, version) not in failed:
                    continue
                files = signature_of(self.store.directory(name, version))
                if (name, version) in known and files == failed[name, version]:
                    continue
                signatures[name, version] = files
                try:
                    manifests[name, version] = self.store.manifest(name, version)
                except StoreError as error:
                    manifests[name, version] = error
        if self._identity() != before:
            # Unmounted meanwhile: what was not found has not been removed.
            raise StoreUnreadable(shown(self.store.path), "was replaced while it was read")
        unreadable = {name: error for name, error in errors.items() if self.only in (None, name)}
        return Snapshot(models, unreadable, manifests, signatures)

    def _identity(self) -> tuple[int, int]:
        """Which directory the store is now: another one after a mount, an unmount or a link that was turned."""
        try:
            status = self.store.path.stat()
        except FileNotFoundError:
            raise StoreMissing(shown(self.store.path)) from None
        except OSError as error:
            raise StoreUnreadable(shown(self.store.path), f"cannot be read ({words(error)})") from error
        return status.st_dev, status.st_ino

    def _names(self, errors: dict[str, ModelUnreadable]) -> list[str]:
        entries = sorted(model_directories(self.store.path, errors))
        if not entries and not errors:
            raise StoreMissing(shown(self.store.path), "has no model")
        return entries if self.only is None else [name for name in entries if name == self.only]

    def _found(self, name: str) -> Found:
        directory = self.store.path / name
        versions = tuple(published_versions(directory))
        try:
            data = read_alias_bytes(directory)
        except StoreError as error:
            return Found(versions, None, str(error))
        read = self._aliases.get(name)
        if read is None or read[0] != data:
            read = self._aliases[name] = (data, *_parsed(directory, data))
        return Found(versions, read[1], read[2])


def signature_of(directory: Path) -> Signature:
    """The signature of a version's files: changes when a file does; files are not read. Empty without files.

    What cannot be looked at, and what operating systems leave behind, is left out.
    """
    files = []
    for parent, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if not is_litter(name)]
        for name in (*directories, *names):
            path = Path(parent, name)
            try:
                status = path.stat(follow_symlinks=False)
            except OSError:
                continue  # removed since the directory was listed, or not ours to see
            if not is_litter(name):
                relative = path.relative_to(directory).as_posix()
                files.append((relative, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(sorted(files))


def _parsed(directory: Path, data: bytes | None) -> tuple[Mapping[str, int] | None, str | None]:
    try:
        return parse_aliases(directory, data), None
    except StoreError as error:
        return None, str(error)
