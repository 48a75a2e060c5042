"""Stores that are full, read-only or partly somebody else's: told in the system's words, nothing half-written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_store import ModelStore, check_writable, stage
from model_store.errors import BadAliases, ModelUnreadable, StoreError, StoreNotWritable, StoreUnreadable
from tests.latent.conftest import environment
from tests.support.publisher import body_from, copy_files, republish
from tests.support.restricted import (
    PREFIX,
    fill_up,
    make_read_only,
    needs_mounts,
    needs_permissions,
    small_disk,
    take_away,
)


def tree(store: ModelStore) -> dict[str, bytes]:
    """Every file of a store with its content."""
    return {str(path): path.read_bytes() for path in store.path.rglob("*") if path.is_file()}


def latent(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, as somebody for whom permissions hold."""
    command = [*PREFIX, sys.executable, "-m", "latent.cli", *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


# -- directories that cannot be read -----------------------------------------------------------------------


def test_a_directory_that_cannot_be_read_does_not_stop_the_others(fresh_store: ModelStore) -> None:
    (fresh_store.path / "loop").symlink_to("loop")  # no user, not even root, can read it
    names = fresh_store.names()
    assert len(names) == 6
    assert list(fresh_store.listing().unreadable) == ["loop"]
    bad = [finding for finding in fresh_store.verify() if finding.error]
    assert [(finding.subject, type(finding.error)) for finding in bad] == [("loop", ModelUnreadable)]
    assert str(bad[0].error) == f"{fresh_store.path}/loop cannot be read (Too many levels of symbolic links)"
    with pytest.raises(ModelUnreadable, match="Too many levels"):
        fresh_store.resolve("loop")
    assert [type(error) for error in fresh_store.collect_garbage().failed] == [ModelUnreadable]


def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    store = ModelStore(tmp_path / "loop")
    for read in (store.names, store.listing, store.collect_garbage, lambda: list(store.verify())):
        with pytest.raises(StoreUnreadable, match=r"cannot be read \(Too many levels of symbolic links\)"):
            read()


@needs_permissions
@pytest.mark.parametrize("verb", ["list", "verify", "gc"])
def test_commands_go_on_past_somebody_elses_directory(fresh_store: ModelStore, verb: str) -> None:
    (fresh_store.path / "private").mkdir()
    (fresh_store.path / "image" / ".staging-dead").mkdir()
    take_away(fresh_store.path / "private")
    told = latent("models", verb, "--store", fresh_store.path)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    if verb == "gc":
        assert told.stdout == f"removed {fresh_store.path}/image/.staging-dead\n"
    else:
        assert all(f"{name}@1" in told.stdout for name in fresh_store.names())
        assert "private" in told.stderr
    assert "private cannot be" in told.stderr + told.stdout
    assert "Permission denied" in told.stderr + told.stdout


@needs_permissions
@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("image", "image: ModelUnreadable: {}/image cannot be read (Permission denied)"),
        ("image/1", "image@1: FileUnreadable: manifest.sha256 cannot be read (Permission denied)"),
        ("image/1/manifest.json", "image@1: FileUnreadable: manifest.json cannot be read (Permission denied)"),
        ("image/1/encoder", "image@1: FileUnreadable: encoder cannot be read (Permission denied)"),
        ("image/1/golden.npz", "image@1: FileUnreadable: golden.npz cannot be read (Permission denied)"),
        (
            "image/aliases.json",
            "image (aliases and history): BadAliases: aliases.json of image cannot be read (Permission denied)",
        ),
        (
            "image/history.json",
            "image (aliases and history): BadHistory: history.json of image cannot be read (Permission denied)",
        ),
    ],
)
def test_what_may_not_be_read_is_told_in_the_systems_words(fresh_store: ModelStore, path: str, says: str) -> None:
    fresh_store.promote("image@1")
    give_back = take_away(fresh_store.path / path)
    told = latent("models", "verify", "--store", fresh_store.path)
    assert says.format(fresh_store.path) in told.stdout.splitlines()
    assert "vector@1: sound" in told.stdout
    assert told.returncode == 2
    give_back()
    assert latent("models", "verify", "--store", fresh_store.path).returncode == 0


@needs_permissions
def test_a_store_that_may_not_be_read_or_written(fresh_store: ModelStore) -> None:
    take_away(fresh_store.path)
    told = latent("models", "list", "--store", fresh_store.path)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"latent: the store {fresh_store.path} cannot be read (Permission denied)\n"
    for arguments in (["promote", "image@1"], ["rm", "image@1"], ["rollback", "image"]):
        told = latent("models", *arguments, "--store", fresh_store.path)
        assert told.returncode == 2
        assert told.stderr.count("\n") == 1
        assert "Permission denied" in told.stderr


# -- disks that are full or read-only ----------------------------------------------------------------------


@pytest.fixture
def source(affine_store: ModelStore) -> Path:
    return affine_store.directory("plain-vector", 1)


@needs_mounts
def test_publishing_into_a_full_store_leaves_the_good_version(tmp_path: Path, source: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        store = ModelStore(disk)
        republish(disk, "table", source)
        store.promote("table@1")
        before = tree(store)
        with stage(disk, "table") as staging:
            copy_files(source, staging.path)
            fill_up(disk)
            with pytest.raises(StoreNotWritable, match=r"table cannot be written \(No space left on device\)"):
                staging.publish(body_from(source))
        assert store.versions("table") == [1]
        with pytest.raises(StoreNotWritable, match="No space left on device"):
            fill_up_and(disk, lambda: store.promote("table@1", "trial"))
        assert store.aliases("table") == {"production": 1}
        (disk / "filler").unlink()
        assert tree(store) == before
        assert [finding for finding in store.verify() if finding.error] == []
        assert republish(disk, "table", source).version == 2


def fill_up_and(disk: Path, write: object) -> None:
    (disk / "filler").unlink()
    fill_up(disk)
    assert callable(write)
    write()


@needs_mounts
def test_a_full_store_refuses_a_staging_directory_in_one_sentence(tmp_path: Path, source: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        shutil.copytree(source, disk / "table" / "1")
        fill_up(disk)
        with (
            pytest.raises(StoreNotWritable, match=r"table cannot be written \(No space left on device\)"),
            stage(disk, "table") as staging,
        ):
            (staging.path / "golden.npz").write_bytes(bytes(2**20))
        assert ModelStore(disk).versions("table") == [1]
        assert not list(disk.rglob(".staging-*"))


@needs_mounts
def test_a_read_only_store_is_read_and_refuses_to_be_written(tmp_path: Path, source: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        store = ModelStore(disk)
        for _ in range(2):
            republish(disk, "table", source)
        store.promote("table@1")
        (disk / "table" / ".staging-dead").mkdir()
        before = tree(store)
        make_read_only(disk)
        assert [finding for finding in store.verify() if finding.error] == []
        for write in (
            lambda: republish(disk, "table", source),
            lambda: store.promote("table@2"),
            lambda: store.remove("table", 2),
            lambda: check_writable(disk),
        ):
            with pytest.raises(StoreNotWritable, match=r"\(.*Read-only file system\)"):
                write()
        assert [str(error) for error in store.collect_garbage().failed] == [
            f"{disk}/table/.staging-dead cannot be written (Read-only file system)"
        ]
        assert tree(store) == before


@needs_permissions
def test_aliases_of_somebody_else_are_told_by_resolve(fresh_store: ModelStore) -> None:
    fresh_store.promote("image@1")
    take_away(fresh_store.path / "image" / "aliases.json")
    told = latent("models", "show", "image", "--store", fresh_store.path)
    assert told.stderr == "latent: aliases.json of image cannot be read (Permission denied)\n"
    assert latent("models", "show", "image@1", "--store", fresh_store.path).returncode == 2
    assert issubclass(BadAliases, StoreError)
