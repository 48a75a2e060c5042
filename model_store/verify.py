"""Verifying a version's directory against the contract; the first broken clause is raised.

Stated clause by clause in docs/model-store.md; each clause has its own error.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from model_store import limits
from model_store.errors import (
    FileAltered,
    FileMissing,
    FileUnlisted,
    FileUnreadable,
    IncompleteVersion,
    ManifestAltered,
    ManifestUnreadable,
    RequiredFileMissing,
    UnsafePath,
    VersionDamaged,
    WrongPlace,
)
from model_store.files import NotRegular, TooLarge, kind_of, open_regular, read_bounded, shown, words
from model_store.golden import read_golden
from model_store.heldout import read_heldout
from model_store.litter import holds_litter, is_litter
from model_store.manifest import FileDigest, Manifest, ManifestBody, parse_manifest
from model_store.prior import read_prior

MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
GOLDEN = "golden.npz"
PRIOR = "prior.npz"
HELDOUT = "heldout.npz"
ENCODER = "encoder"
DECODER = "decoder"
REPORT = "report"
SAVED_MODEL = "saved_model.pb"

REQUIRED = (f"{ENCODER}/{SAVED_MODEL}", f"{DECODER}/{SAVED_MODEL}", GOLDEN, PRIOR, HELDOUT)

_CHUNK_BYTES = 1 << 20


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of a version and check its digest, nothing else.

    Raises IncompleteVersion, FileUnreadable, ManifestAltered, ManifestUnreadable, SchemaTooNew, UnsafePath or
    WrongPlace.
    """
    recorded = _read(directory, DIGEST, limits.DIGEST_BYTES, ManifestAltered)
    data = _read(directory, MANIFEST, limits.MANIFEST_BYTES, ManifestUnreadable)
    if recorded != digest_line(data):
        raise ManifestAltered(f"{MANIFEST} does not have the digest that {DIGEST} records")
    manifest = parse_manifest(data)
    if (manifest.name, str(manifest.version)) != (directory.parent.name, directory.name):
        raise WrongPlace(
            f"{MANIFEST} says {manifest.name}@{manifest.version},"
            f" but stands in {directory.parent.name}/{directory.name}"
        )
    return manifest


def _read(directory: Path, name: str, max_bytes: int, too_large: type[VersionDamaged]) -> bytes:
    """Read one of the two small files that every version has; `too_large` is raised where it has too many bytes."""
    try:
        return read_bounded(directory / name, max_bytes)
    except FileNotFoundError as error:
        if not directory.exists():
            raise IncompleteVersion("its directory does not exist (any more)") from error
        raise IncompleteVersion(f"{name} cannot be read: the version was never finished") from error
    except TooLarge as error:
        raise too_large(f"{name} cannot be read ({words(error)})") from error
    except NotRegular as error:
        raise UnsafePath(f"{name} is no regular file but {error.kind}") from error
    except OSError as error:
        raise FileUnreadable(f"{name} cannot be read ({words(error)})") from error


def verify_version(directory: Path) -> Manifest:
    """Check everything that can be checked without running the model; return the manifest.

    Raises the first VersionDamaged that holds.
    """
    manifest = read_manifest(directory)
    present = set(walk_files(directory)) - {MANIFEST, DIGEST}
    files = {path: digest for path, digest in manifest.files.items() if not holds_litter(path)}
    for path, digest in files.items():
        if path not in present:
            raise FileMissing(f"{path} is {'a directory, no file' if (directory / path).is_dir() else 'missing'}")
        check_digest(directory, path, digest)
    if unlisted := sorted(present - files.keys()):
        raise FileUnlisted(f"{shown(unlisted[0])} is not in the manifest")
    verify_contents(directory, manifest, present)
    return manifest


def verify_contents(directory: Path, body: ManifestBody, present: set[str]) -> None:
    """Check that all required files exist and have the manifest's shapes."""
    for path in REQUIRED:
        if path not in present:
            raise RequiredFileMissing(f"the version has no {path}")
    read_golden(directory / GOLDEN, body)
    read_prior(directory / PRIOR, body.latent.dim)
    read_heldout(directory / HELDOUT, body)


def walk_files(directory: Path) -> Iterator[str]:
    """List all files below a version as relative POSIX paths, but what operating systems leave behind.

    Raises UnsafePath for a link, pipe or device, FileUnreadable for a directory that cannot be listed, FileUnlisted for
    more files than a version may have.
    """
    left, files = [""], 0
    while left:
        parent = left.pop()
        try:
            with os.scandir(directory / parent) as entries:
                found = sorted((entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in entries)
        except OSError as error:
            raise FileUnreadable(f"{shown(parent or directory.name)} cannot be read ({words(error)})") from error
        for name, mode in found:
            path = f"{parent}/{name}" if parent else name
            if is_litter(name):
                continue
            if stat.S_ISLNK(mode):
                raise UnsafePath(f"{shown(path)} is a link: put the file itself there, or link the whole version")
            if stat.S_ISDIR(mode):
                left.append(path)
            elif not stat.S_ISREG(mode):
                raise UnsafePath(f"{shown(path)} is no regular file but {kind_of(mode)}")
            elif (files := files + 1) > limits.FILES + 2:
                raise FileUnlisted(f"the version holds more than {limits.FILES} files")
            else:
                yield path


def digest_file(path: Path, max_bytes: int = limits.FILE_BYTES) -> FileDigest:
    """Size and SHA-256 of a regular file, read in pieces. Raises OSError: TooLarge where it has more bytes."""
    sha256, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(path, max_bytes, size)
    return FileDigest(size=size, sha256=sha256.hexdigest())


def digest_line(manifest_json: bytes) -> bytes:
    """Return the content of manifest.sha256, in the format of the sha256sum command."""
    return f"{hashlib.sha256(manifest_json).hexdigest()}  {MANIFEST}\n".encode()


def check_digest(directory: Path, path: str, digest: FileDigest) -> None:
    """Check one file of a version against its manifest.

    Raises FileMissing, FileAltered, FileUnreadable, or UnsafePath for a pipe, socket or device.
    """
    try:
        size = (directory / path).stat().st_size
        if size != digest.size:
            raise FileAltered(f"{path} has {size} bytes, not the {digest.size} that the manifest records")
        if digest_file(directory / path, digest.size) != digest:
            raise FileAltered(f"{path} does not have the SHA-256 that the manifest records")
    except FileNotFoundError as error:
        raise FileMissing(f"{path} is missing") from error
    except TooLarge as error:
        raise FileAltered(f"{path} has more than the {digest.size} bytes that the manifest records") from error
    except NotRegular as error:
        raise UnsafePath(f"{path} is no regular file but {error.kind}") from error
    except OSError as error:
        raise FileUnreadable(f"{path} cannot be read ({words(error)})") from error
