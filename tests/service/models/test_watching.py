"""Reading the store once: the snapshot of one look."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store import Manifest, ModelStore
from model_store.errors import ManifestAltered, StoreMissing
from service.models.watching import StorePoller, signature_of
from tests.service.stores import flip_a_byte


def test_a_look_finds_versions_and_aliases(fresh_store: ModelStore) -> None:
    fresh_store.promote("image@1")
    (fresh_store.path / "image" / ".staging-x").mkdir()
    (fresh_store.path / "image" / "notes").mkdir()
    (fresh_store.path / "Not A Model").mkdir()
    (fresh_store.path / "file").touch()
    found = StorePoller(fresh_store).look()
    assert set(found.models) == set(fresh_store.names())
    assert found.models["image"].versions == (1,)
    assert found.models["image"].aliases == {"production": 1}
    assert found.models["rgb"].aliases == {}
    manifest = found.manifests["image", 1]
    assert isinstance(manifest, Manifest)
    assert (manifest.name, manifest.version) == ("image", 1)


def test_what_is_known_is_not_read_again(fresh_store: ModelStore) -> None:
    eye, known = StorePoller(fresh_store, only="image"), [("image", 1)]
    assert eye.look(known).manifests == {}
    assert list(eye.look().manifests) == known


def test_a_failed_version_is_read_again_once_its_files_are_others(fresh_store: ModelStore) -> None:
    eye, known, version = StorePoller(fresh_store, only="image"), [("image", 1)], fresh_store.directory("image", 1)
    before = signature_of(version)
    assert eye.look(known, {("image", 1): before}).manifests == {}
    flip_a_byte(version / "manifest.json")
    found = eye.look(known, {("image", 1): before})
    assert isinstance(found.manifests["image", 1], ManifestAltered)
    assert found.signatures["image", 1] == signature_of(version) != before


def test_a_signature_names_every_file_with_its_size(affine_store: ModelStore) -> None:
    version = affine_store.directory("image", 1)
    files = {path: size for path, size, *_ in signature_of(version)}
    assert files["golden.npz"] == (version / "golden.npz").stat().st_size
    assert "encoder/saved_model.pb" in files
    assert signature_of(version / "nothing") == ()


def test_aliases_that_cannot_be_read_are_an_error_of_their_model(fresh_store: ModelStore) -> None:
    eye = StorePoller(fresh_store)
    aliases = fresh_store.path / "image" / "aliases.json"
    aliases.write_text("{", encoding="utf-8")
    found = eye.look().models["image"]
    assert (found.aliases, found.aliases_error) == (None, "aliases.json of image cannot be read")
    aliases.write_bytes(b'{"production": 1}\n')
    assert eye.look().models["image"].aliases == {"production": 1}
    aliases.unlink()
    assert eye.look().models["image"].aliases == {}


def test_a_model_without_versions_is_found_without_any(fresh_store: ModelStore) -> None:
    fresh_store.remove("image", 1)
    assert StorePoller(fresh_store).look().models["image"].versions == ()


@pytest.mark.parametrize("missing", [True, False])
def test_a_store_without_a_single_model_cannot_be_read(tmp_path: Path, missing: bool) -> None:
    store = tmp_path / "missing" if missing else tmp_path
    with pytest.raises(StoreMissing, match="does not exist" if missing else "has no model"):
        StorePoller(ModelStore(store)).look()
