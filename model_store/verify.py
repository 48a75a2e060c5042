"""Verifying a version's directory against the contract; the first broken clause is raised.

Stated clause by clause in docs/model-store.md; each clause has its own error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from model_store.artefacts import ScannedArtefact, scan_half
from model_store.errors import (
    FileAltered,
    FileMissing,
    FileUnlisted,
    IncompleteVersion,
    ManifestAltered,
    RequiredFileMissing,
    UnsafePath,
    WrongPlace,
)
from model_store.golden import read_golden
from model_store.heldout import read_heldout
from model_store.manifest import FileDigest, Manifest, ManifestBody, parse_manifest
from model_store.prior import read_prior
from model_store.signatures import SIGNATURES, TrustedKeys

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

    Raises IncompleteVersion, ManifestAltered, NotSigned, Untrusted, BadSignature, ManifestUnreadable, SchemaTooNew,
    UnsafePath or WrongPlace.
    """
    try:
        recorded = (directory / DIGEST).read_bytes()
        data = (directory / MANIFEST).read_bytes()
    except OSError as error:
        missing = Path(str(error.filename)).name
        raise IncompleteVersion(f"{missing} cannot be read: the version was never finished") from error
    if recorded != digest_line(data):
        raise ManifestAltered(f"{MANIFEST} does not have the digest that {DIGEST} records")
    if trusted is not None:  # of the very bytes that are parsed next
        trusted.check(directory, hashlib.sha256(data).digest())
    manifest = parse_manifest(data)
    if (manifest.name, str(manifest.version)) != (directory.parent.name, directory.name):
        raise WrongPlace(
            f"{MANIFEST} says {manifest.name}@{manifest.version},"
            f" but stands in {directory.parent.name}/{directory.name}"
        )
    return manifest


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
    for path, digest in manifest.files.items():
        if path not in present:
            raise FileMissing(f"{path} is missing")
        check_digest(directory, path, digest)
    if unlisted := sorted(present - manifest.files.keys()):
        raise FileUnlisted(f"{unlisted[0]} is not in the manifest")
    return manifest, verify_contents(directory, manifest, present, manifest.files)


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

    Raises FileMissing, FileAltered, ArtefactUnreadable or ForbiddenOperation.
    """
    return Halves(scan_half(directory / ENCODER, files), scan_half(directory / DECODER, files))


def walk_files(directory: Path) -> Iterator[str]:
    """List all files below a version as relative POSIX paths. Raises UnsafePath for a link, pipe or device."""
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = Path(parent, name)
            if path.is_symlink():
                raise UnsafePath(f"{path.relative_to(directory).as_posix()} is a link")
        for name in files:
            path = Path(parent, name)
            if not path.is_file():
                raise UnsafePath(f"{path.relative_to(directory).as_posix()} is no regular file")
            yield path.relative_to(directory).as_posix()


def digest_file(path: Path) -> FileDigest:
    """Size and SHA-256 of a file, read in pieces."""
    sha256, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
    return FileDigest(size=size, sha256=sha256.hexdigest())


def digest_line(manifest_json: bytes) -> bytes:
    """Return the content of manifest.sha256, in the format of the sha256sum command."""
    return f"{hashlib.sha256(manifest_json).hexdigest()}  {MANIFEST}\n".encode()


def check_digest(directory: Path, path: str, digest: FileDigest) -> None:
    """Check one file of a version against its manifest. Raises FileMissing or FileAltered."""
    try:
        size = (directory / path).stat().st_size
        if size != digest.size:
            raise FileAltered(f"{path} has {size} bytes, not the {digest.size} that the manifest records")
        if digest_file(directory / path) != digest:
            raise FileAltered(f"{path} does not have the SHA-256 that the manifest records")
    except OSError as error:
        raise FileMissing(f"{path} cannot be read ({error.strerror})") from error
