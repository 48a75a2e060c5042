"""ModelStore, the interface to a store: list, resolve, open, verify, promote and remove versions."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model_store import aliases as alias_files
from model_store.durable import fsync_path, is_locked, locked, write_durably
from model_store.errors import (
    BadAliases,
    BadHistory,
    ManifestAltered,
    StoreError,
    StoreMissing,
    StoreNotWritable,
    UnknownModel,
    UnknownVersion,
)
from model_store.manifest import Manifest, parse_manifest
from model_store.publish import CHECK_PREFIX, STAGING_PREFIX
from model_store.signatures import SIGNATURES, TrustedKeys, read_signatures, signed
from model_store.verify import MANIFEST, read_manifest, verify_version
from model_store.versions import LATEST, PRODUCTION, Reference, check_name, near, parse_reference

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

REMOVED_PREFIX = ".removed-"


@dataclass(frozen=True)
class Finding:
    """Result of `verify` for one version, or for one model's aliases; `error` is None if it is sound."""

    subject: str
    error: StoreError | None


class ModelStore:
    """A directory of models and their versions. Reading never writes; a missing directory is an empty store.

    Every method that names a model raises UnknownModel with near names, or UnknownVersion.
    """

    def __init__(self, path: Path | str, trusted: TrustedKeys | None = None) -> None:
        """With `trusted` keys, a version that none of them has signed is damaged: nothing of it is read."""
        self.path, self.trusted = Path(path), trusted

    # -- reading -------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names of the models with at least one version, sorted."""
        try:
            entries = sorted(path.name for path in self.path.iterdir() if path.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreMissing(f"the store {self.path} cannot be read ({error.strerror})") from error
        return [name for name in entries if _is_name(name) and alias_files.published_versions(self.path / name)]

    def versions(self, name: str) -> list[int]:
        """Version numbers of a model, ascending; the versions are not verified."""
        versions = alias_files.published_versions(self.path / check_name(name))
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
        if wanted is None and not self.path.is_dir():
            raise StoreMissing(f"the store {self.path} does not exist")
        for name in self.names() if wanted is None else [wanted.name]:
            for version in self.versions(name):
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
            data = (directory / MANIFEST).read_bytes()
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
            shutil.rmtree(grave)

    def collect_garbage(self) -> list[Path]:
        """Remove the files that killed publishers and removals left behind; return their paths.

        A living publisher holds the lock of its directory and is left alone.
        """
        removed: list[Path] = []
        if not self.path.is_dir():
            return removed
        for path in sorted(self.path.glob(f"{CHECK_PREFIX}*")):
            with _writing(path):
                path.rmdir()
            removed.append(path)
        for model in sorted(path for path in self.path.iterdir() if path.is_dir() and _is_name(path.name)):
            with _writing(model), locked(model):
                for path in sorted(model.iterdir()):
                    if not _is_garbage(path):
                        continue
                    if path.is_dir():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
                    removed.append(path)
                if not any(model.iterdir()):
                    model.rmdir()
        return removed


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise StoreNotWritable for an OSError of the block."""
    try:
        yield
    except OSError as error:
        raise StoreNotWritable(f"{path} cannot be written ({error.strerror})") from error


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
    return True


def _listed(versions: list[int]) -> str:
    return ", ".join(map(str, versions))
