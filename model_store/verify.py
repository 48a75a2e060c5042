"""Verifying a version's directory against the contract; the first broken clause is raised.

Stated clause by clause in docs/model-store.md; each clause has its own error.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from model_store import limits
from model_store.artefacts import ScannedArtefact, scan_half
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
from model_store.files import TooLarge, kind_of, open_regular, shown, words
from model_store.golden import read_golden
from model_store.heldout import read_heldout
from model_store.litter import holds_litter, is_litter
from model_store.manifest import FileDigest, Manifest, ManifestBody, parse_manifest
from model_store.prior import read_prior
from model_store.signatures import SIGNATURES, TrustedKeys
from model_store.version_files import contract_errors, read_version_file

MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
GOLDEN = "golden.npz"
PRIOR = "prior.npz"
HELDOUT = "heldout.npz"
ENCODER = "encoder"
DECODER = "decoder"
REPORT = "report"
SAVED_MODEL = "saved_model.pb"
UNLISTED = frozenset((MANIFEST, DIGEST, SIGNATURES))
"""Files of a version that its manifest does not list: it cannot know them."""

REQUIRED = (f"{ENCODER}/{SAVED_MODEL}", f"{DECODER}/{SAVED_MODEL}", GOLDEN, PRIOR, HELDOUT)

_CHUNK_BYTES = 1 << 20


def read_manifest(directory: Path, trusted: TrustedKeys | None = None) -> Manifest:
    """Read the manifest of a version and check its digest, and with `trusted` keys who signed it; nothing else.

    Raises IncompleteVersion, FileUnreadable, ManifestAltered, NotSigned, Untrusted, BadSignature, ManifestUnreadable,
    SchemaTooNew, UnsafePath or WrongPlace.
    """
    data = read_manifest_bytes(directory)
    if trusted is not None:  # of the very bytes that are parsed next
        trusted.check(directory, hashlib.sha256(data).digest())
    manifest = parse_manifest(data)
    if (manifest.name, str(manifest.version)) != (directory.parent.name, directory.name):
        raise WrongPlace(
            f"{MANIFEST} says {manifest.name}@{manifest.version},"
            f" but stands in {directory.parent.name}/{directory.name}"
        )
    return manifest


def read_manifest_bytes(directory: Path) -> bytes:
    """Read manifest.json and check its digest.

    Raises IncompleteVersion, FileUnreadable, UnsafePath, ManifestAltered or ManifestUnreadable.
    """
    recorded = _read(directory, DIGEST, limits.DIGEST_BYTES, ManifestAltered)
    data = _read(directory, MANIFEST, limits.MANIFEST_BYTES, ManifestUnreadable)
    if recorded != digest_line(data):
        raise ManifestAltered(f"{MANIFEST} does not have the digest that {DIGEST} records")
    return data


def _read(directory: Path, name: str, max_bytes: int, too_large: type[VersionDamaged]) -> bytes:
    """Read one of the two small files that every version has; `too_large` is raised where it has too many bytes."""
    try:
        return read_version_file(directory / name, name, max_bytes, too_large)
    except FileNotFoundError as error:
        if not directory.exists():
            raise IncompleteVersion("its directory does not exist (any more)") from error
        raise IncompleteVersion(f"{name} cannot be read: the version was never finished") from error


class Halves(NamedTuple):
    """Both halves of a version as they were scanned, for an engine to load."""

    encoder: ScannedArtefact
    decoder: ScannedArtefact


def verify_version(directory: Path, trusted: TrustedKeys | None = None) -> Manifest:
    """Check everything that can be checked without running the model; return the manifest.

    With `trusted` keys, one of them must have signed it.

    Raises the first VersionDamaged that holds.
    """
    return verify_and_scan(directory, trusted)[0]


def verify_and_scan(directory: Path, trusted: TrustedKeys | None = None) -> tuple[Manifest, Halves]:
    """As `verify_version`, for who goes on to load the version: the halves hold the very bytes that were checked."""
    manifest = read_manifest(directory, trusted)
    present = set(walk_files(directory)) - UNLISTED
    files = {path: digest for path, digest in manifest.files.items() if not holds_litter(path)}
    for path, digest in files.items():
        if path not in present:
            raise FileMissing(f"{path} is {'a directory, no file' if (directory / path).is_dir() else 'missing'}")
        check_digest(directory, path, digest)
    if unlisted := sorted(present - files.keys()):
        raise FileUnlisted(f"{shown(unlisted[0])} is not in the manifest")
    return manifest, verify_contents(directory, manifest, present, files)


def verify_contents(
    directory: Path, body: ManifestBody, present: set[str], files: Mapping[str, FileDigest] | None = None
) -> Halves:
    """Check that all required files exist and have the manifest's shapes, and that the halves may be run."""
    for path in REQUIRED:
        if path not in present:
            raise RequiredFileMissing(f"the version has no {path}")
    halves = scan_halves(directory, files)
    read_golden(directory / GOLDEN, body)
    read_prior(directory / PRIOR, body.latent.dim)
    read_heldout(directory / HELDOUT, body)
    return halves


def scan_halves(directory: Path, files: Mapping[str, FileDigest] | None = None) -> Halves:
    """Scan the encoder and the decoder; with the manifest's `files`, they must have the digests that it records.

    Raises FileMissing, FileUnreadable, UnsafePath, FileAltered, ArtefactUnreadable or ForbiddenOperation.
    """
    return Halves(scan_half(directory / ENCODER, files), scan_half(directory / DECODER, files))


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
            elif (files := files + 1) > limits.FILES + len(UNLISTED):
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
    with contract_errors(path):
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
