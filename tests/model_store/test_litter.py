"""What operating systems leave behind in a version is left aside; everything else that nobody published is not."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from model_store import ModelStore, stage
from model_store.archives import read_archive
from model_store.errors import FileUnlisted
from model_store.litter import holds_litter, is_litter
from model_store.store import Collected
from model_store.verify import verify_version
from tests.model_store.test_verify import reseal
from tests.support.publisher import body_from, copy_files

LITTER = [
    ".DS_Store",
    "._manifest.json",
    ".AppleDouble",
    ".Spotlight-V100",
    "__MACOSX",
    "Icon\r",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "Desktop.ini",
    "$RECYCLE.BIN",
    "System Volume Information",
    ".nfs00000000000123",
    ".smb0001",
    ".fuse_hidden0000000100000002",
    ".directory",
    ".Trash-1000",
    "lost+found",
    "@eaDir",
    "#recycle",
    ".snapshot",
    "~snapshot",
    ".zfs",
    "saved_model.pb@SynoEAStream",
]
NOT_LITTER = [
    "DS_Store",
    ".ds",
    "thumbs.dbx",
    "nfs00",
    ".nfsx",
    "desktop.ini.txt",
    "a._b",
    ".env",
    "snapshot",
    "-",
    "...",
]
PLACES = ["", "encoder", "encoder/variables", "report"]


@pytest.fixture
def version(fresh_store: ModelStore) -> Path:
    return fresh_store.directory("image", 1)


@pytest.mark.parametrize("name", LITTER)
def test_names_that_systems_make(name: str) -> None:
    assert is_litter(name)
    assert holds_litter(f"report/{name}/x")


@pytest.mark.parametrize("name", NOT_LITTER)
def test_names_that_they_do_not(name: str) -> None:
    assert not is_litter(name)
    assert not holds_litter(f"a/{name}")


@pytest.mark.parametrize("place", PLACES)
def test_litter_in_a_version_is_left_aside_at_any_depth(version: Path, place: str) -> None:
    for name in LITTER:
        (version / place / name).write_bytes(b"x")
    verify_version(version)


def directory_with_files(path: Path) -> None:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").write_bytes(b"x")


def directory_that_is_closed(path: Path) -> None:
    path.mkdir(mode=0o000)


@pytest.mark.parametrize(
    "make", [directory_with_files, directory_that_is_closed, os.mkfifo, lambda path: path.symlink_to("/etc")]
)
def test_litter_is_never_read_whatever_it_is(version: Path, make: Callable[[Path], None]) -> None:
    make(version / ".snapshot")
    make(version / "encoder" / "._x")
    verify_version(version)


@pytest.mark.parametrize("place", PLACES)
def test_what_else_nobody_published_is_not_left_aside(version: Path, place: str) -> None:
    (version / place / ".env").write_bytes(b"x")
    with pytest.raises(FileUnlisted, match=r"\.env is not in the manifest"):
        verify_version(version)


def test_litter_that_a_manifest_lists_does_not_matter(version: Path) -> None:
    """It was published by an earlier release, and has changed or gone since."""
    digest = {"size": 7, "sha256": "0" * 64}
    reseal(version, lambda document: document["files"].update({"report/.DS_Store": digest, "._x/y": digest}))
    verify_version(version)
    (version / "report" / ".DS_Store").write_bytes(b"other")
    verify_version(version)


def test_publishing_does_not_list_it(fresh_store: ModelStore) -> None:
    source = fresh_store.directory("image", 1)
    with stage(fresh_store.path, "image") as staging:
        copy_files(source, staging.path)
        for place in PLACES:
            (staging.path / place / ".DS_Store").write_bytes(b"x")
        os.mkfifo(staging.path / "report" / "._pipe")
        manifest = staging.publish(body_from(source))
    assert manifest.files.keys() == fresh_store.manifest("image", 1).files.keys()
    verify_version(fresh_store.directory("image", 2))


def test_an_archive_that_a_mac_has_packed_again(tmp_path: Path, fresh_store: ModelStore) -> None:
    source, packed = fresh_store.directory("image", 1) / "prior.npz", tmp_path / "packed.npz"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(packed, "w") as new:
        for member in old.infolist():
            new.writestr(member, old.read(member))
            new.writestr(f"__MACOSX/._{member.filename}", b"\x00\x05\x16\x07")
        new.writestr(".DS_Store", b"x")
    assert read_archive(packed).keys() == read_archive(source).keys()


def test_litter_in_a_store_or_a_model_is_no_model_and_no_version(fresh_store: ModelStore) -> None:
    before = fresh_store.listing()
    for name in (".DS_Store", "lost+found", "@eaDir", "desktop.ini", "thumbs.db"):
        directory_with_files(fresh_store.path / name)
        directory_with_files(fresh_store.path / "image" / name)
    assert fresh_store.listing() == before
    assert [finding for finding in fresh_store.verify() if finding.error] == []
    assert fresh_store.collect_garbage() == Collected()


def test_removing_a_version_with_litter_removes_all_of_it(fresh_store: ModelStore) -> None:
    (fresh_store.directory("image", 1) / ".nfs00000000000123").write_bytes(b"x")
    fresh_store.remove("image", 1)
    assert sorted(path.name for path in (fresh_store.path / "image").iterdir()) == ["history.json"]
