"""Reads the store by polling: which models and versions exist, and where the aliases point.

The store is polled, not subscribed to: change notices (inotify) say nothing of what another machine writes to a
network file system, and are missing in some containers' mounts. A look reads the names in each model's directory and
its aliases.json, and more only for what is new or has failed. Nothing is written, so a read-only mount will do.
Modification times are not trusted to tell that nothing has changed: some file systems keep none for directories.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from model_store import Manifest, ModelStore
from model_store.aliases import ALIASES, published_versions, read_aliases
from model_store.errors import BadName, StoreError, StoreMissing
from model_store.versions import check_name

Version = tuple[str, int]
"""A version's key: the model's name and the version's number."""
Signature = tuple[tuple[str, int, int], ...]
"""Path, bytes and modification time (nanoseconds) of every file of a version, sorted."""


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
    unreadable: Mapping[str, str]
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
    _aliases: dict[str, tuple[bytes, Mapping[str, int] | None, str | None]] = field(default_factory=dict)
    """The last bytes of each aliases.json and their parsed content, so that only changed files are parsed again."""

    def look(
        self, known: Collection[Version] = (), failed: Mapping[Version, Signature | None] = MappingProxyType({})
    ) -> Snapshot:
        """Read the store now; `known` versions are skipped, unless they `failed` and have changed files.

        Raises StoreMissing where the store cannot be read or has no model's directory, as an unmounted volume has
        none.
        """
        models: dict[str, Found] = {}
        unreadable: dict[str, str] = {}
        for name in self._names():
            try:
                models[name] = self._found(name)
            except FileNotFoundError:
                continue  # removed since the directory was listed
            except OSError as error:
                unreadable[name] = error.strerror or type(error).__name__
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
        return Snapshot(models, unreadable, manifests, signatures)

    def _names(self) -> list[str]:
        root = self.store.path
        try:
            entries = sorted(path.name for path in root.iterdir() if _names_a_model(path))
        except FileNotFoundError:
            raise StoreMissing(f"the store {root} does not exist") from None
        except OSError as error:
            raise StoreMissing(f"the store {root} cannot be read ({error.strerror})") from error
        if not entries:
            raise StoreMissing(f"the store {root} has no model")
        return entries if self.only is None else [name for name in entries if name == self.only]

    def _found(self, name: str) -> Found:
        directory = self.store.path / name
        versions = tuple(published_versions(directory))
        try:
            data = (directory / ALIASES).read_bytes()
        except FileNotFoundError:
            data = b""
        read = self._aliases.get(name)
        if read is None or read[0] != data:
            read = self._aliases[name] = (data, *_read_aliases(directory))
        return Found(versions, read[1], read[2])


def signature_of(directory: Path) -> Signature:
    """The signature of a version's files: changes when a file does; files are not read. Empty without files."""
    files = []
    for path in directory.rglob("*"):
        try:
            status = path.stat(follow_symlinks=False)
        except OSError:
            continue  # removed since the directory was listed
        files.append((path.relative_to(directory).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(sorted(files))


def _read_aliases(directory: Path) -> tuple[Mapping[str, int] | None, str | None]:
    try:
        return read_aliases(directory), None
    except StoreError as error:
        return None, str(error)


def _names_a_model(path: Path) -> bool:
    try:
        return check_name(path.name) == path.name and path.is_dir()
    except BadName:
        return False
