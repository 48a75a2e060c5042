"""ModelStore, the interface to a store: list, resolve, open, verify, promote and remove versions."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from model_store import aliases as alias_files
from model_store.durable import fsync_path, is_locked, locked, write_durably
from model_store.errors import (
    BadAliases,
    BadHistory,
    ManifestAltered,
    ModelUnreadable,
    StoreError,
    StoreMissing,
    StoreNotWritable,
    StoreUnreadable,
    UnknownModel,
    UnknownVersion,
)
from model_store.files import shown, words
from model_store.litter import is_litter
from model_store.manifest import Manifest, parse_manifest
from model_store.publish import CHECK_PREFIX, STAGING_PREFIX
from model_store.signatures import SIGNATURES, TrustedKeys, read_signatures, signed
from model_store.verify import MANIFEST, read_manifest, read_manifest_bytes, verify_version
from model_store.versions import LATEST, PRODUCTION, Reference, check_name, near, parse_reference

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

REMOVED_PREFIX = ".removed-"


@dataclass(frozen=True)
class Finding:
    """Result of `verify` for one version, or for one model's aliases; `error` is None if it is sound."""

    subject: str
    error: StoreError | None


@dataclass(frozen=True)
class Listing:
    """The directories of a store that are named as models are, by name, sorted."""

    readable: dict[str, list[int]]
    """The versions of each model, ascending; empty where it has none."""
    unreadable: dict[str, ModelUnreadable]
    """Directories that cannot be read: a model's, or somebody else's."""


@dataclass(frozen=True)
class Collected:
    """Result of collecting garbage."""

    removed: list[Path] = field(default_factory=list)
    failed: list[StoreError] = field(default_factory=list)
    """What could not be looked at or removed, and why."""


class ModelStore:
    """A directory of models and their versions. Reading never writes; a missing directory is an empty store.

    Every method that names a model raises UnknownModel with near names, or UnknownVersion.
    """

    def __init__(self, path: Path | str, trusted: TrustedKeys | None = None) -> None:
        """With `trusted` keys, a version that none of them has signed is damaged: nothing of it is read."""
        self.path, self.trusted = Path(path), trusted

    # -- reading -------------------------------------------------------------------------------------------

    def listing(self) -> Listing:
        """List the models and their versions; a directory that cannot be read does not stop it.

        Raises StoreMissing where there is no such directory, StoreUnreadable where it cannot be read.
        """
        readable: dict[str, list[int]] = {}
        unreadable: dict[str, ModelUnreadable] = {}
        for name in sorted(model_directories(self.path, unreadable)):
            try:
                readable[name] = alias_files.published_versions(self.path / name)
            except OSError as error:
                unreadable[name] = model_unreadable(self.path / name, error)
        return Listing(readable, dict(sorted(unreadable.items())))

    def names(self) -> list[str]:
        """Names of the models with at least one version, sorted; those that cannot be read are left out."""
        try:
            return [name for name, versions in self.listing().readable.items() if versions]
        except StoreMissing:
            return []

    def versions(self, name: str) -> list[int]:
        """Version numbers of a model, ascending; the versions are not verified. Raises ModelUnreadable."""
        try:
            versions = alias_files.published_versions(self.path / check_name(name))
        except OSError as error:
            raise model_unreadable(self.path / name, error) from error
        if not versions:
            known = self.names()
            raise UnknownModel(name, near(name, known), known)
        return versions

    def aliases(self, name: str) -> dict[str, int]:
        """Aliases that were set; `latest` is implied. Raises BadAliases."""
        self.versions(name)
        return alias_files.read_aliases(self.path / name)

    def resolve(self, reference: str | Reference) -> tuple[str, int]:
        """The version that `NAME`, `NAME@3` or `NAME@alias` means: a bare name is `production`, else the newest."""
        wanted = parse_reference(reference) if isinstance(reference, str) else reference
        versions = self.versions(wanted.name)
        if isinstance(wanted.selector, int):
            if wanted.selector not in versions:
                raise UnknownVersion(f"{wanted.name} has no version {wanted.selector} (it has {_listed(versions)})")
            return wanted.name, wanted.selector
        if wanted.selector == LATEST:
            return wanted.name, versions[-1]
        aliases = self.aliases(wanted.name)
        if wanted.selector is None:
            return wanted.name, aliases.get(PRODUCTION, versions[-1])
        if wanted.selector not in aliases:
            known = ", ".join([*aliases, LATEST])
            raise UnknownVersion(f"{wanted.name} has no alias {wanted.selector!r} (it has {known})")
        return wanted.name, aliases[wanted.selector]

    def directory(self, name: str, version: int) -> Path:
        """Return the directory of a version."""
        return self.path / name / str(version)

    def manifest(self, name: str, version: int) -> Manifest:
        """Read the manifest of a version and check its digest. Raises VersionDamaged."""
        return read_manifest(self.directory(name, version), self.trusted)

    # -- verifying -----------------------------------------------------------------------------------------

    def verify(self, reference: str | None = None) -> Iterator[Finding]:
        """Check one version (`NAME@3`), every version of a model (`NAME`), or the whole store.

        Yields one finding a version and one for each model's aliases and history.
        """
        wanted = parse_reference(reference) if reference is not None else None
        if wanted is not None and wanted.selector is not None:
            yield self._verify_version(*self.resolve(wanted))
            return
        if wanted is not None:
            yield from self._verify_model(wanted.name, self.versions(wanted.name))
            return
        listing = self.listing()
        for name, versions in listing.readable.items():
            if versions:
                yield from self._verify_model(name, versions)
        for name, error in listing.unreadable.items():
            yield Finding(name, error)

    def _verify_model(self, name: str, versions: list[int]) -> Iterator[Finding]:
        for version in versions:
            yield self._verify_version(name, version)
        yield self._verify_aliases(name)

    def _verify_version(self, name: str, version: int) -> Finding:
        try:
            verify_version(self.directory(name, version), self.trusted)
        except StoreError as error:
            return Finding(f"{name}@{version}", error)
        return Finding(f"{name}@{version}", None)

    def _verify_aliases(self, name: str) -> Finding:
        try:
            alias_files.verify_aliases(self.path / name)
        except (BadAliases, BadHistory) as error:
            return Finding(f"{name} (aliases and history)", error)
        except OSError as error:
            return Finding(f"{name} (aliases and history)", model_unreadable(self.path / name, error))
        return Finding(f"{name} (aliases and history)", None)

    # -- keeping -------------------------------------------------------------------------------------------

    def promote(self, reference: str, alias: str = PRODUCTION) -> tuple[str, int]:
        """Point an alias at a sound version (the newest where none is named); return it. Raises VersionDamaged."""
        wanted = parse_reference(reference)
        name, version = self.resolve(Reference(wanted.name, wanted.selector or LATEST))
        verify_version(self.directory(name, version), self.trusted)
        with _writing(self.path / name):
            alias_files.promote(self.path / name, version, alias)
        return name, version

    def roll_back(self, name: str, alias: str = PRODUCTION) -> tuple[str, int]:
        """Point an alias at what it was before its last promotion; return it. Raises NothingToRollBack."""
        self.versions(name)
        with _writing(self.path / name):
            return name, alias_files.roll_back(self.path / name, alias)

    def sign(self, reference: str, key: Ed25519PrivateKey) -> tuple[str, int]:
        """Sign a sound version (the newest where none is named); return it. Raises VersionDamaged.

        Other signatures stay. A second one by the same key takes the place of the first.
        """
        wanted = parse_reference(reference)
        name, version = self.resolve(Reference(wanted.name, wanted.selector or LATEST))
        model, directory = self.path / name, self.directory(name, version)
        manifest = verify_version(directory)
        with _writing(model), locked(model):
            data = read_manifest_bytes(directory)
            if parse_manifest(data) != manifest:
                raise ManifestAltered(f"{MANIFEST} changed while it was verified")
            lines = signed(read_signatures(directory), key, hashlib.sha256(data).digest())
            # The temporary file stands beside the version: in it, a reader would find a file that nothing lists.
            write_durably(directory / SIGNATURES, lines, temporary=model / f".{SIGNATURES}.{version}.{os.getpid()}.tmp")
        return name, version

    def remove(self, name: str, version: int) -> None:
        """Remove a version; its number is never given again. Raises VersionInUse where an alias points at it."""
        self.resolve(Reference(name, version))
        model = self.path / name
        with _writing(model), locked(model):
            alias_files.release(model, version)
            grave = model / f"{REMOVED_PREFIX}{version}-{uuid.uuid4().hex}"
            self.directory(name, version).rename(grave)
            fsync_path(model)
            # The version is gone for every reader. What an open file on NFS keeps of it, `gc` removes later.
            shutil.rmtree(grave, ignore_errors=True)

    def collect_garbage(self) -> Collected:
        """Remove the files that killed publishers and removals left behind.

        A living publisher holds the lock of its directory and is left alone. A directory that is somebody else's does
        not stop it. Raises StoreUnreadable.
        """
        collected = Collected()
        try:
            names = sorted(self._garbage_places(collected))
        except StoreMissing:
            return collected
        for name in names:
            path = self.path / name
            try:
                with _writing(path):
                    if name.startswith(CHECK_PREFIX):
                        path.rmdir()
                        collected.removed.append(path)
                    else:
                        _collect_in(path, collected)
            except StoreError as error:
                collected.failed.append(error)
        return collected

    def _garbage_places(self, collected: Collected) -> list[str]:
        unreadable: dict[str, ModelUnreadable] = {}
        names = list(model_directories(self.path, unreadable, lambda name: name.startswith(CHECK_PREFIX)))
        collected.failed.extend(unreadable.values())
        return names


def model_directories(
    store: Path, unreadable: dict[str, ModelUnreadable], other: Callable[[str], bool] = lambda _name: False
) -> Iterator[str]:
    """Names of the directories in a store that are named as models are, or as `other` says; in no order.

    Those of which not even this can be told are put into `unreadable`. Raises StoreMissing or StoreUnreadable.
    """
    try:
        with os.scandir(store) as entries:
            for entry in entries:
                if not (_is_name(entry.name) or other(entry.name)):
                    continue
                try:
                    if entry.is_dir():
                        yield entry.name
                except OSError as error:
                    unreadable[entry.name] = model_unreadable(store / entry.name, error)
    except FileNotFoundError:
        raise StoreMissing(shown(store)) from None
    except OSError as error:
        raise StoreUnreadable(shown(store), f"cannot be read ({words(error)})") from error


def model_unreadable(directory: Path, error: OSError) -> ModelUnreadable:
    """The error of a model's directory that cannot be read."""
    return ModelUnreadable(shown(directory), f"cannot be read ({words(error)})")


def _collect_in(model: Path, collected: Collected) -> None:
    """Remove the garbage in a model's directory, and the directory where nothing else is in it. Raises OSError."""
    with locked(model):
        for path in sorted(model.iterdir()):
            if not _is_garbage(path):
                continue
            try:
                with _writing(path):
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
            except StoreNotWritable as error:
                collected.failed.append(error)
            else:
                collected.removed.append(path)
        if all(is_litter(path.name) for path in model.iterdir()):
            try:
                model.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                    raise


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise StoreNotWritable for an OSError of the block."""
    try:
        yield
    except OSError as error:
        raise StoreNotWritable(f"{shown(path)} cannot be written ({words(error)})") from error


def _is_garbage(path: Path) -> bool:
    if path.name.startswith(REMOVED_PREFIX):
        return True
    if path.name.startswith(STAGING_PREFIX):
        return not is_locked(path)
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _is_name(text: str) -> bool:
    try:
        check_name(text)
    except StoreError:
        return False
    return not is_litter(text)


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions))
