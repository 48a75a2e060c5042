"""ModelStore: resolving, promoting, rolling back and removing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model_store import ModelStore
from model_store.aliases import read_aliases, read_history, verify_aliases
from model_store.errors import (
    BadAliases,
    BadHistory,
    BadName,
    FileAltered,
    NothingToRollBack,
    StoreNotWritable,
    StoreUnreadable,
    UnknownModel,
    UnknownVersion,
    VersionInUse,
)
from tests.support.publisher import republish


@pytest.fixture
def store(tmp_path: Path, affine_store: ModelStore) -> ModelStore:
    """One model, `table`, with versions 1, 2 and 3."""
    for _ in range(3):
        republish(tmp_path / "store", "table", affine_store.directory("plain-vector", 1))
    return ModelStore(tmp_path / "store")


def test_names_and_versions(store: ModelStore) -> None:
    (store.path / "empty").mkdir()
    (store.path / "No-Name").mkdir()
    (store.path / "file").write_text("x")
    assert store.names() == ["table"]
    assert store.versions("table") == [1, 2, 3]
    assert store.aliases("table") == {}


def test_a_missing_store_is_empty_and_a_file_is_none(tmp_path: Path) -> None:
    assert ModelStore(tmp_path / "none").names() == []
    assert ModelStore(tmp_path / "none").collect_garbage().removed == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnreadable, match=r"cannot be read \(Not a directory\)"):
        ModelStore(tmp_path / "file").names()


def test_versions_sort_as_numbers(store: ModelStore) -> None:
    for _ in range(8):
        republish(store.path, "table", store.directory("table", 1))
    assert store.versions("table")[-2:] == [10, 11]
    assert store.resolve("table") == ("table", 11)


def test_a_bare_name_is_production_else_the_newest(store: ModelStore) -> None:
    assert store.resolve("table") == ("table", 3)
    assert store.promote("table@2") == ("table", 2)
    assert store.resolve("table") == ("table", 2)
    assert store.resolve("table@production") == ("table", 2)
    assert store.resolve("table@latest") == ("table", 3)
    assert store.resolve("table@1") == ("table", 1)


def test_what_does_not_resolve(store: ModelStore) -> None:
    with pytest.raises(UnknownModel, match="unknown model 'tabel'; did you mean table") as caught:
        store.resolve("tabel")
    assert (caught.value.near, caught.value.known) == (["table"], ["table"])
    with pytest.raises(UnknownModel, match=r"unknown model 'zzz' \(the store has table\)"):
        store.resolve("zzz")
    with pytest.raises(UnknownModel, match="the store is empty"):
        ModelStore(store.path / "none").resolve("table")
    with pytest.raises(UnknownVersion, match=r"table has no version 9 \(it has 1, 2, 3\)"):
        store.resolve("table@9")
    store.promote("table@2", "candidate")
    with pytest.raises(UnknownVersion, match=r"no alias 'production' \(it has candidate, latest\)"):
        store.resolve("table@production")
    with pytest.raises(BadName):
        store.resolve("../table")


def test_promote_and_roll_back(store: ModelStore) -> None:
    for version in (1, 2, 3):
        store.promote(f"table@{version}")
    assert store.aliases("table") == {"production": 3}
    assert store.roll_back("table") == ("table", 2)
    assert store.roll_back("table") == ("table", 1)
    with pytest.raises(NothingToRollBack, match="has pointed at version 1 only"):
        store.roll_back("table")
    store.promote("table@3")
    assert store.roll_back("table") == ("table", 1)
    events = [(event.event, event.version) for event in read_history(store.path / "table").events]
    assert events == [
        ("promote", 1),
        ("promote", 2),
        ("promote", 3),
        ("rollback", 2),
        ("rollback", 1),
        ("promote", 3),
        ("rollback", 1),
    ]
    assert [finding for finding in store.verify() if finding.error] == []


def test_promoting_the_newest_and_promoting_twice(store: ModelStore) -> None:
    store.promote("table@1")
    assert store.promote("table") == ("table", 3)
    store.promote("table@3")
    assert store.roll_back("table") == ("table", 1)


def test_aliases_are_rolled_back_one_by_one(store: ModelStore) -> None:
    store.promote("table@1")
    store.promote("table@1", "candidate")
    store.promote("table@2", "candidate")
    assert store.roll_back("table", "candidate") == ("table", 1)
    with pytest.raises(NothingToRollBack):
        store.roll_back("table")
    with pytest.raises(NothingToRollBack, match="other of table has pointed at no version"):
        store.roll_back("table", "other")
    assert store.promote("table@candidate", "production") == ("table", 1)


@pytest.mark.parametrize("alias", ["latest", "3", "A", ""])
def test_aliases_that_cannot_be_set(store: ModelStore, alias: str) -> None:
    with pytest.raises(BadName):
        store.promote("table@1", alias)
    with pytest.raises(BadName):
        store.roll_back("table", alias)
    assert store.aliases("table") == {}


def test_a_damaged_version_is_not_promoted(store: ModelStore) -> None:
    history = store.directory("table", 2) / "report" / "history.csv"
    history.write_bytes(history.read_bytes().replace(b"0.5", b"0.4"))
    with pytest.raises(FileAltered, match=r"report/history\.csv does not have the SHA-256"):
        store.promote("table@2")
    assert store.aliases("table") == {}


def test_removing(store: ModelStore) -> None:
    store.promote("table@2")
    with pytest.raises(VersionInUse, match="table@2 is production: promote another version before removing it"):
        store.remove("table", 2)
    store.remove("table", 3)
    assert store.versions("table") == [1, 2]
    with pytest.raises(UnknownVersion):
        store.remove("table", 3)
    store.promote("table@1")
    store.remove("table", 2)
    with pytest.raises(UnknownVersion, match="table@2, which production was before, has been removed"):
        store.roll_back("table")
    assert store.aliases("table") == {"production": 1}
    assert [finding for finding in store.verify() if finding.error] == []


def test_reading_leaves_no_trace(store: ModelStore) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in store.path.rglob("*"))
    store.names()
    store.resolve("table")
    store.manifest("table", 1)
    list(store.verify())
    assert sorted((path, path.stat().st_mtime_ns) for path in store.path.rglob("*")) == before


# -- a writer that died between history.json and aliases.json ----------------------------------------------


@pytest.fixture
def interrupted(store: ModelStore) -> ModelStore:
    """production went 1, 2, and the writer that promoted 3 stopped after history.json."""
    store.promote("table@1")
    store.promote("table@2")
    obstacle = store.path / "table" / f".aliases.json.{os.getpid()}.tmp"
    obstacle.mkdir()  # where the writer wants a file: it gets exactly that far
    with pytest.raises(StoreNotWritable):
        store.promote("table@3")
    obstacle.rmdir()
    return store


def test_readers_see_the_old_aliases_and_the_store_is_sound(interrupted: ModelStore) -> None:
    assert interrupted.resolve("table") == ("table", 2)
    assert not read_history(interrupted.path / "table").settled
    assert [finding for finding in interrupted.verify() if finding.error] == []


def test_the_next_writer_completes_what_was_begun(interrupted: ModelStore) -> None:
    assert interrupted.roll_back("table") == ("table", 2)
    interrupted.promote("table@1", "candidate")
    assert interrupted.aliases("table") == {"candidate": 1, "production": 2}
    assert read_history(interrupted.path / "table").settled
    verify_aliases(interrupted.path / "table")


def test_publishing_completes_it_too(interrupted: ModelStore) -> None:
    assert republish(interrupted.path, "table", interrupted.directory("table", 1)).version == 4
    assert interrupted.aliases("table") == {"production": 3}
    assert read_history(interrupted.path / "table").settled


def test_removing_what_was_begun_to_be_promoted_is_refused(interrupted: ModelStore) -> None:
    with pytest.raises(VersionInUse, match="table@3 is production"):
        interrupted.remove("table", 3)


# -- aliases.json and history.json that are damaged --------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"production": "2"}\n',
        b'{"production": 0}\n',
        b'{"production":2}\n',
        b'{"production": 9}\n',
    ],
)
def test_aliases_that_are_refused(store: ModelStore, data: bytes) -> None:
    store.promote("table@2")
    (store.path / "table" / "aliases.json").write_bytes(data)
    findings = [finding.error for finding in store.verify("table") if finding.error]
    assert [type(error) for error in findings] == [BadAliases]


def test_damaged_aliases_are_mended_by_the_next_writer(store: ModelStore) -> None:
    store.promote("table@2")
    (store.path / "table" / "aliases.json").write_bytes(b"{")
    with pytest.raises(BadAliases):
        read_aliases(store.path / "table")
    with pytest.raises(BadAliases):
        store.resolve("table")
    assert store.resolve("table@1") == ("table", 1)
    store.promote("table@3")
    assert store.resolve("table") == ("table", 3)


def test_an_alias_of_a_version_that_was_deleted_by_hand(store: ModelStore) -> None:
    store.promote("table@3")
    store.directory("table", 3).rename(store.path / "elsewhere")
    findings = [str(finding.error) for finding in store.verify("table") if finding.error]
    assert findings == ["aliases.json of table: production is version 3, which does not exist"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'{"sha256": ""}', b"\xff"])
def test_a_history_that_is_refused(store: ModelStore, data: bytes) -> None:
    store.promote("table@2")
    (store.path / "table" / "history.json").write_bytes(data)
    with pytest.raises(BadHistory):
        read_history(store.path / "table")
    with pytest.raises(BadHistory):
        store.promote("table@3")
    with pytest.raises(BadHistory):
        store.remove("table", 1)
    assert store.versions("table") == [1, 2, 3]
    assert store.resolve("table") == ("table", 2)
