"""Publishing: staged files, and the state of the store after a refusal."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from model_store import ManifestBody, ModelStore, check_writable, stage
from model_store.errors import (
    BadHistory,
    BadName,
    GoldenInvalid,
    ManifestUnreadable,
    RequiredFileMissing,
    StoreNotWritable,
    UnsafePath,
)
from model_store.publish import CHECK_PREFIX
from model_store.store import Collected
from tests.support.publisher import body_from, copy_files, republish


@pytest.fixture
def source(affine_store: ModelStore) -> Path:
    return affine_store.directory("vector", 1)


def test_the_manifest_says_what_was_published(tmp_path: Path, source: Path) -> None:
    manifest = republish(tmp_path / "store", "table", source)
    assert (manifest.name, manifest.version, manifest.schema_version) == ("table", 1, 1)
    assert manifest.created_at.utcoffset() is not None
    golden = (tmp_path / "store" / "table" / "1" / "golden.npz").read_bytes()
    assert manifest.files["golden.npz"].size == len(golden)
    assert manifest.files["golden.npz"].sha256 == hashlib.sha256(golden).hexdigest()
    assert "manifest.json" not in manifest.files
    assert "manifest.sha256" not in manifest.files
    assert ModelStore(tmp_path / "store").manifest("table", 1) == manifest


def test_versions_count_up_and_are_never_given_twice(tmp_path: Path, source: Path) -> None:
    store = ModelStore(tmp_path / "store")
    assert [republish(store.path, "table", source).version for _ in range(3)] == [1, 2, 3]
    store.remove("table", 3)
    assert republish(store.path, "table", source).version == 4
    for version in store.versions("table"):
        store.remove("table", version)
    assert store.names() == []
    assert republish(store.path, "table", source).version == 5


def test_a_lost_history_frees_no_number_that_is_in_use(tmp_path: Path, source: Path) -> None:
    for _ in range(2):
        republish(tmp_path, "table", source)
    (tmp_path / "table" / "history.json").unlink()
    assert republish(tmp_path, "table", source).version == 3


def test_staging_that_is_not_published_leaves_nothing(tmp_path: Path, source: Path) -> None:
    with stage(tmp_path / "store", "table") as staging:
        copy_files(source, staging.path)
    assert list((tmp_path / "store").iterdir()) == []


def test_an_exception_while_staging_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), stage(tmp_path / "store", "table"):
        raise KeyError
    assert list((tmp_path / "store").iterdir()) == []


def test_a_refused_version_leaves_the_old_ones(tmp_path: Path, source: Path) -> None:
    republish(tmp_path, "table", source)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with stage(tmp_path, "table") as staging, pytest.raises(RequiredFileMissing, match=r"no encoder/saved_model\.pb"):
        staging.publish(body_from(source))
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_a_body_that_is_not_the_files(tmp_path: Path, source: Path, affine_store: ModelStore) -> None:
    with stage(tmp_path / "store", "table") as staging:
        copy_files(source, staging.path)
        with pytest.raises(GoldenInvalid):
            staging.publish(body_from(affine_store.directory("image", 1)))
    assert not (tmp_path / "store" / "table").exists()


def test_a_recipe_that_json_cannot_hold(tmp_path: Path, source: Path) -> None:
    body = body_from(source).model_copy(update={"recipe": {"beta": object()}})
    with stage(tmp_path / "store", "table") as staging:
        copy_files(source, staging.path)
        with pytest.raises(ManifestUnreadable, match="cannot be written as JSON"):
            staging.publish(body)
    assert not (tmp_path / "store" / "table").exists()


def test_a_manifest_of_the_publishers_own_is_replaced(tmp_path: Path, source: Path) -> None:
    with stage(tmp_path, "table") as staging:
        copy_files(source, staging.path)
        (staging.path / "manifest.json").write_text("{}")
        staging.publish(body_from(source))
    assert [finding for finding in ModelStore(tmp_path).verify() if finding.error] == []


def test_a_staged_link_is_refused(tmp_path: Path, source: Path) -> None:
    with stage(tmp_path / "store", "table") as staging:
        copy_files(source, staging.path)
        (staging.path / "report" / "passwords").symlink_to("/etc/passwd")
        with pytest.raises(UnsafePath, match="report/passwords is a link"):
            staging.publish(body_from(source))


def test_a_staged_file_with_an_odd_name_is_refused(tmp_path: Path, source: Path) -> None:
    with stage(tmp_path / "store", "table") as staging:
        copy_files(source, staging.path)
        (staging.path / "report" / "a\nb").write_text("x")
        with pytest.raises(UnsafePath, match="no plain path"):
            staging.publish(body_from(source))
    assert not (tmp_path / "store" / "table").exists()


def test_a_damaged_history_stops_publishing(tmp_path: Path, source: Path) -> None:
    republish(tmp_path, "table", source)
    (tmp_path / "table" / "history.json").write_text("{}")
    with pytest.raises(BadHistory):
        republish(tmp_path, "table", source)
    assert ModelStore(tmp_path).versions("table") == [1]


@pytest.mark.parametrize("name", ["../x", "Table", "", "a/b"])
def test_names_are_checked_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName), stage(tmp_path / "store", name):
        pass
    assert not (tmp_path / "store").exists()


def test_a_store_that_cannot_be_written(tmp_path: Path, source: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(StoreNotWritable, match="cannot be written"):
        republish(tmp_path / "file", "table", source)
    with pytest.raises(StoreNotWritable, match="cannot be written"):
        check_writable(tmp_path / "file" / "store")


def test_a_version_number_that_something_else_occupies(tmp_path: Path, source: Path) -> None:
    """A stray file named 1 counts as taken; nothing is ever overwritten."""
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "1").write_text("stray")
    assert republish(tmp_path, "table", source).version == 2
    assert (tmp_path / "table" / "1").read_text() == "stray"


def test_checking_whether_a_store_can_be_written_leaves_no_trace(tmp_path: Path) -> None:
    check_writable(tmp_path / "not" / "yet" / "there")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_garbage_collection_removes_every_kind_of_leftover(tmp_path: Path, source: Path) -> None:
    republish(tmp_path, "table", source)
    model = tmp_path / "table"
    shutil.copytree(model / "1", model / ".staging-dead")
    shutil.copytree(model / "1", model / ".removed-7-dead")
    (model / ".history.json.99.tmp").write_text("half")
    (tmp_path / f"{CHECK_PREFIX}dead").mkdir()
    (tmp_path / "abandoned").mkdir()
    (tmp_path / "abandoned" / ".staging-dead").mkdir()
    store = ModelStore(tmp_path)
    assert [finding for finding in store.verify() if finding.error] == []
    removed = {str(path.relative_to(tmp_path)) for path in store.collect_garbage().removed}
    assert removed == {
        f"{CHECK_PREFIX}dead",
        "abandoned/.staging-dead",
        "table/.staging-dead",
        "table/.removed-7-dead",
        "table/.history.json.99.tmp",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table"]
    assert sorted(path.name for path in model.iterdir()) == ["1", "history.json"]
    assert store.collect_garbage() == Collected()


def test_a_body_is_all_of_the_manifest_that_a_trainer_says(source: Path) -> None:
    body = body_from(source)
    assert type(body) is ManifestBody
    assert body.latent.dim == 2
    assert body.metrics["pca_mse"] == 0.5
