"""Verification: every clause of the contract, broken on purpose, is found and named."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import ModelStore, aliases
from model_store.archives import read_archive, write_archive
from model_store.arrays import Float32
from model_store.errors import (
    BadAliases,
    BadHistory,
    FileAltered,
    FileMissing,
    FileUnlisted,
    GoldenInvalid,
    GoldenMismatch,
    HeldoutInvalid,
    IncompleteVersion,
    ManifestAltered,
    ManifestUnreadable,
    PriorInvalid,
    RequiredFileMissing,
    SchemaTooNew,
    StoreError,
    StoreMissing,
    UnsafePath,
    VersionDamaged,
    WrongPlace,
)
from model_store.golden import Golden, compare, read_golden, replay
from model_store.heldout import read_heldout
from model_store.manifest import Tolerance, parse_manifest
from model_store.prior import read_prior
from model_store.publish import stage
from model_store.verify import DIGEST, MANIFEST, REQUIRED, digest_line, verify_version, walk_files
from tests.support.affine import AFFINE
from tests.support.publisher import body_from, copy_files

Arrays = dict[str, NDArray[Any]]


def reseal(version: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest's document and give it a new digest, as someone with bad intentions would."""
    document = json.loads((version / MANIFEST).read_bytes())
    change(document)
    data = json.dumps(document).encode()
    (version / MANIFEST).write_bytes(data)
    (version / DIGEST).write_bytes(digest_line(data))


@pytest.fixture
def version(fresh_store: ModelStore) -> Path:
    return fresh_store.directory("image", 1)


# -- the manifest and its files ----------------------------------------------------------------------------


def test_every_affine_version_is_sound(affine_store: ModelStore) -> None:
    findings = list(affine_store.verify())
    assert [finding for finding in findings if finding.error] == []
    assert len(findings) == 2 * len(AFFINE) == 12


@pytest.mark.parametrize("missing", [MANIFEST, DIGEST])
def test_a_version_that_was_never_finished(version: Path, missing: str) -> None:
    (version / missing).unlink()
    with pytest.raises(IncompleteVersion, match=f"{missing} cannot be read: the version was never finished"):
        verify_version(version)


def test_a_manifest_that_was_altered(version: Path) -> None:
    data = (version / MANIFEST).read_bytes()
    (version / MANIFEST).write_bytes(data.replace(b'"seed": 7', b'"seed": 8'))
    with pytest.raises(ManifestAltered):
        verify_version(version)


def test_a_manifest_that_cannot_be_read(version: Path) -> None:
    reseal(version, lambda document: document.pop("latent"))
    with pytest.raises(ManifestUnreadable, match="latent: Field required"):
        verify_version(version)


def test_a_manifest_of_the_future(version: Path) -> None:
    reseal(version, lambda document: document.update(schema_version=99))
    with pytest.raises(SchemaTooNew, match="99"):
        verify_version(version)


def test_a_version_in_the_wrong_place(fresh_store: ModelStore, version: Path) -> None:
    moved = version.rename(version.parent / "2")
    with pytest.raises(WrongPlace, match="says image@1, but stands in image/2"):
        verify_version(moved)
    (fresh_store.path / "other").mkdir()
    with pytest.raises(WrongPlace, match="says image@1, but stands in other/1"):
        verify_version(moved.rename(fresh_store.path / "other" / "1"))


def test_a_path_out_of_the_version(version: Path) -> None:
    reseal(version, lambda document: document["files"].update({"../../x": {"size": 0, "sha256": "0" * 64}}))
    with pytest.raises(UnsafePath, match=r"\.\./\.\./x"):
        verify_version(version)


@pytest.mark.parametrize("path", ["golden.npz", "encoder", "report/link"])
def test_a_link_in_the_version(version: Path, tmp_path: Path, path: str) -> None:
    link = version / path
    if link.exists():
        link.rename(tmp_path / "elsewhere")
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePath, match=f"{path} is a link"):
        verify_version(version)


def test_a_pipe_in_the_version(version: Path) -> None:
    os.mkfifo(version / "report" / "pipe")
    with pytest.raises(UnsafePath, match="report/pipe is no regular file"):
        verify_version(version)


def test_a_file_that_is_missing(version: Path) -> None:
    (version / "report" / "history.csv").unlink()
    with pytest.raises(FileMissing, match=r"report/history\.csv is missing"):
        verify_version(version)


def test_a_file_of_another_size(version: Path) -> None:
    with (version / "report" / "history.csv").open("a") as file:
        file.write("3,0.125\n")
    with pytest.raises(FileAltered, match=r"report/history\.csv has 32 bytes, not the 24"):
        verify_version(version)


def test_a_file_that_nobody_listed(version: Path) -> None:
    (version / "report" / "extra.txt").write_text("x")
    with pytest.raises(FileUnlisted, match=r"report/extra\.txt is not in the manifest"):
        verify_version(version)


@pytest.mark.parametrize("path", REQUIRED)
def test_a_required_file_that_nobody_listed_either(version: Path, path: str) -> None:
    (version / path).unlink()
    reseal(version, lambda document: document["files"].pop(path))
    with pytest.raises(RequiredFileMissing, match=f"the version has no {path}"):
        verify_version(version)


@pytest.mark.parametrize("model", sorted(AFFINE))
def test_one_flipped_byte_in_any_file_is_found(fresh_store: ModelStore, model: str) -> None:
    """Every file of a version, the manifest, the aliases and the history: first byte, last byte, and between."""
    fresh_store.promote(model)
    fresh_store.promote(model, "candidate")
    root = fresh_store.path / model
    rng = np.random.default_rng(0)
    flips = 0
    for relative in [path for path in walk_files(root) if (root / path).stat().st_size]:
        path = root / relative
        whole = path.read_bytes()
        for at in {0, len(whole) - 1, *rng.integers(0, len(whole), 3).tolist()}:
            flipped = bytearray(whole)
            flipped[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            assert any(finding.error for finding in fresh_store.verify()), f"{relative}, byte {at}"
            flips += 1
        path.write_bytes(whole)
    assert [finding for finding in fresh_store.verify(model) if finding.error] == []
    assert flips > 60


def test_every_bit_of_aliases_and_history_counts(fresh_store: ModelStore) -> None:
    """`2` is one bit from `3`: where a promotion from 2 to 3 came before, the flip looks like the state before it."""
    model = fresh_store.path / "image"
    for number in (2, 3):
        (model / str(number)).mkdir()
        aliases.promote(model, number, "production")
    aliases.verify_aliases(model)
    for name, error in (("aliases.json", BadAliases), ("history.json", BadHistory)):
        whole = (model / name).read_bytes()
        for bit in range(8 * len(whole)):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            (model / name).write_bytes(flipped)
            with pytest.raises(error):
                aliases.verify_aliases(model)
        (model / name).write_bytes(whole)


def test_verify_says_one_thing_of_each_version_and_of_each_models_aliases(fresh_store: ModelStore) -> None:
    (fresh_store.directory("rgb", 1) / "golden.npz").unlink()
    findings = {finding.subject: finding.error for finding in fresh_store.verify()}
    assert sum(error is not None for error in findings.values()) == 1
    assert type(findings["rgb@1"]) is FileMissing
    assert findings["rgb (aliases and history)"] is None
    assert [finding.subject for finding in fresh_store.verify("image")] == ["image@1", "image (aliases and history)"]
    assert [finding.subject for finding in fresh_store.verify("image@latest")] == ["image@1"]


def test_verify_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="does not exist"):
        list(ModelStore(tmp_path / "none").verify())


# -- golden.npz, prior.npz, heldout.npz --------------------------------------------------------------------


def publish_with(store: ModelStore, name: str, file: str, change: Callable[[Arrays], object]) -> None:
    """Publish a model again with one of its archives changed."""
    source = store.directory(name, 1)
    arrays = read_archive(source / file)
    change(arrays)
    with stage(store.path, name) as staging:
        copy_files(source, staging.path)
        write_archive(staging.path / file, arrays)
        staging.publish(body_from(source))


def setting(**values: Any) -> Callable[[Arrays], object]:  # noqa: ANN401 - whatever an archive may hold
    return lambda arrays: arrays.update({name: np.asarray(value) for name, value in values.items()})


def first(n: int) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.update({name: array[:n] for name, array in arrays.items()})


def without(name: str) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.pop(name)


def with_nan(name: str) -> Callable[[Arrays], object]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[3] = np.nan

    return change


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("image", without("x"), "lacks x"),
        ("image", without("outputs"), "lacks outputs"),
        ("image", without("z_log_var"), "lacks z_log_var"),
        ("vector", without("z"), "lacks z"),
        ("vector", without("inputs"), r"lacks inputs of shape \(8, 3\)"),
        ("conditional", without("labels"), "lacks labels"),
        ("image", without("png_0005"), "lacks png_0005"),
        ("vector", first(7), "holds 7 items; at least 8 are needed"),
        ("image", setting(x=np.float32(1.0)), "holds 0 items"),
        ("image", setting(x=np.zeros((8, 4, 5, 1))), r"x has shape \(8, 4, 5, 1\), not \(8, 4, 4, 1\)"),
        ("image", setting(z_mean=np.zeros((8, 3))), r"z_mean has shape \(8, 3\), not \(8, 2\)"),
        ("image", setting(outputs=np.zeros((7, 4, 4, 1))), r"outputs has shape \(7, 4, 4, 1\)"),
        ("sequence", setting(inputs=np.zeros((8, 5, 3))), "lacks inputs"),
        ("image", with_nan("outputs"), "outputs holds a value that is no finite number"),
        ("conditional", setting(labels=np.full(8, 3)), "labels must be class indices below 3"),
        ("conditional", setting(labels=np.full(8, -1)), "labels must be class indices below 3"),
        ("image", setting(x=np.full((8, 4, 4, 1), "a")), "x is no array of real numbers"),
    ],
)
def test_goldens_that_are_refused(
    fresh_store: ModelStore, name: str, change: Callable[[Arrays], object], reason: str
) -> None:
    with pytest.raises(GoldenInvalid, match=reason):
        publish_with(fresh_store, name, "golden.npz", change)
    assert fresh_store.versions(name) == [1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("weights"), "lacks weights"),
        (setting(weights=[0.5]), "add up to 1"),
        (setting(weights=[np.nan]), "add up to 1"),
        (setting(weights=np.ones(0), means=np.ones((0, 2)), covariances=np.ones((0, 2, 2))), "add up to 1"),
        (setting(weights=[2.0, -1.0], means=np.zeros((2, 2)), covariances=[np.eye(2)] * 2), "must not be negative"),
        (setting(means=np.zeros((1, 3))), "no mixture over codes of length 2"),
        (setting(weights=np.float64(1.0)), "no mixture over codes of length 2"),
        (setting(means=[[0.0, np.inf]]), "every mean must be finite"),
        (setting(covariances=-np.eye(2)[None]), "positive definite"),
        (setting(covariances=[[[1.0, 0.5], [0.0, 1.0]]]), "must be symmetric"),
        (setting(covariances=np.full((1, 2, 2), np.nan)), "must be symmetric"),
    ],
)
def test_priors_that_are_refused(fresh_store: ModelStore, change: Callable[[Arrays], object], reason: str) -> None:
    with pytest.raises(PriorInvalid, match=reason):
        publish_with(fresh_store, "image", "prior.npz", change)
    assert fresh_store.versions("image") == [1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without("codes"), "lacks codes"),
        (first(0), "holds 0 items, not 1 to 3000"),
        (lambda arrays: arrays.update({k: np.repeat(v, 50, axis=0) for k, v in arrays.items()}), "holds 3200 items"),
        (setting(codes=np.zeros((64, 3))), r"codes has shape \(64, 3\), not \(64, 2\)"),
        (setting(coordinates=np.zeros((64, 3))), r"coordinates has shape \(64, 3\)"),
        (setting(labels=np.zeros(63)), r"labels has shape \(63,\)"),
        (setting(inputs=np.zeros((64, 4, 4, 1), np.float32)), "inputs are float32, not uint8"),
        (setting(inputs=np.uint8(3)), "holds 0 items"),
    ],
)
def test_heldout_items_that_are_refused(
    fresh_store: ModelStore, change: Callable[[Arrays], object], reason: str
) -> None:
    with pytest.raises(HeldoutInvalid, match=reason):
        publish_with(fresh_store, "image", "heldout.npz", change)
    assert fresh_store.versions("image") == [1]


class Bomb:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("exit 1",)


def pickled_archive(path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", buffer.getvalue())


def bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb()))


def bare_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def text_inside(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"no array")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)


@pytest.mark.parametrize("spoil", [pickled_archive, bare_pickle, bare_npy, text_inside, half, empty, garbled])
@pytest.mark.parametrize(
    ("file", "error"),
    [("golden.npz", GoldenInvalid), ("prior.npz", PriorInvalid), ("heldout.npz", HeldoutInvalid)],
)
def test_archives_refuse_pickles_and_whatever_is_no_archive(
    fresh_store: ModelStore, spoil: Callable[[Path], None], file: str, error: type[VersionDamaged]
) -> None:
    source = fresh_store.directory("image", 1)
    with stage(fresh_store.path, "image") as staging:
        copy_files(source, staging.path)
        spoil(staging.path / file)
        with pytest.raises(error, match=file):
            staging.publish(body_from(source))
    assert fresh_store.versions("image") == [1]


def test_archives_have_the_same_bytes_every_time(tmp_path: Path) -> None:
    arrays: Arrays = {"a": np.arange(5), "b": np.zeros((2, 2), np.float32)}
    write_archive(tmp_path / "one.npz", arrays)
    write_archive(tmp_path / "two.npz", arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    np.testing.assert_array_equal(read_archive(tmp_path / "one.npz")["a"], [0, 1, 2, 3, 4])


# -- replaying the goldens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(AFFINE))
def test_goldens_are_what_preprocessing_and_the_model_make_of_their_inputs(affine_store: ModelStore, name: str) -> None:
    manifest = affine_store.manifest(name, 1)
    golden = read_golden(affine_store.directory(name, 1) / "golden.npz", manifest)
    assert len(golden) == 8
    assert compare("x", golden.replay_inputs(manifest.input), golden.x, Tolerance(rtol=0, atol=0)) == 0.0
    z_mean, z_log_var = AFFINE[name].encode(golden.x, golden.labels)
    np.testing.assert_allclose(golden.z_mean, z_mean, atol=1e-6)
    assert (golden.z_log_var is None) == (z_log_var is None)
    np.testing.assert_allclose(golden.outputs, AFFINE[name].decode(z_mean, golden.labels), atol=1e-6)


def test_golden_pictures_that_cannot_be_read_again(fresh_store: ModelStore) -> None:
    publish_with(fresh_store, "image", "golden.npz", setting(png_0003=np.frombuffer(b"no picture", np.uint8)))
    manifest = fresh_store.manifest("image", 2)
    golden = read_golden(fresh_store.directory("image", 2) / "golden.npz", manifest)
    with pytest.raises(GoldenInvalid, match="no complete image"):
        golden.replay_inputs(manifest.input)


def test_golden_pictures_of_a_model_that_takes_none(affine_store: ModelStore) -> None:
    golden = read_golden(affine_store.directory("image", 1) / "golden.npz", affine_store.manifest("image", 1))
    with pytest.raises(GoldenInvalid, match="the model takes none"):
        golden.replay_inputs(AFFINE["vector"].input)


def test_comparing_within_the_tolerance() -> None:
    recorded = np.array([1.0, 100.0])
    tolerance = Tolerance(rtol=1e-3, atol=1e-2)
    assert compare("z", np.array([1.01, 100.1]), recorded, tolerance) == pytest.approx(0.1)
    for got, reason in (
        (np.array([1.02, 100.0]), r"z differs from the recorded answer by up to 0\.02"),
        (np.array([1.0, 100.2]), r"by up to 0\.2 \(allowed: 0\.01 \+ 0\.001"),
        (np.array([np.nan, 100.0]), "by up to nan"),
        (recorded[:1], r"z has shape \(1,\); recorded was \(2,\)"),
    ):
        with pytest.raises(GoldenMismatch, match=reason):
            compare("z", got, recorded, tolerance)


def altered(golden: Golden, name: str) -> Golden:
    return replace(golden, **{name: getattr(golden, name) + np.float32(0.5)})


@pytest.mark.parametrize("name", sorted(AFFINE))
def test_a_replay_names_what_differs(affine_store: ModelStore, name: str) -> None:
    model, manifest = AFFINE[name], affine_store.manifest(name, 1)
    golden = read_golden(affine_store.directory(name, 1) / "golden.npz", manifest)

    def encode(rows: Mapping[str, Float32]) -> Arrays:
        labels = rows["labels"].argmax(axis=1) if "labels" in rows else None
        z_mean, z_log_var = model.encode(rows["x"], labels)
        return {"z": z_mean} if z_log_var is None else {"z_mean": z_mean, "z_log_var": z_log_var}

    def decode(rows: Mapping[str, Float32]) -> Arrays:
        return {"outputs": model.decode(rows["z"], rows["labels"].argmax(axis=1) if "labels" in rows else None)}

    replay(golden, manifest, encode, decode)
    differs = ["z_mean", "outputs", *(["z_log_var"] if golden.z_log_var is not None else [])]
    for array in differs:
        with pytest.raises(GoldenMismatch, match=rf"^{array} differs"):
            replay(altered(golden, array), manifest, encode, decode)
        replay(altered(golden, array), manifest, encode, decode, lambda _recorded: Tolerance(rtol=0.0, atol=100.0))
    with pytest.raises(GoldenMismatch, match=r"^preprocessing differs"):
        # no engine takes part in preprocessing: the halves' wider tolerance does not hold for it
        replay(altered(golden, "x"), manifest, encode, decode, lambda _recorded: Tolerance(rtol=0.0, atol=100.0))


def test_every_error_is_one_sentence_of_its_own(fresh_store: ModelStore) -> None:
    with pytest.raises(StoreError) as caught:
        fresh_store.resolve("imag")
    assert str(caught.value) == "unknown model 'imag'; did you mean image?"


# -- whatever the bytes are --------------------------------------------------------------------------------


def spoilt_bytes(whole: bytes, rng: np.random.Generator) -> bytes:
    """A byte changed, bytes lost, or bytes added."""
    at = int(rng.integers(len(whole)))
    kind = rng.integers(3)
    if kind == 0:
        return whole[:at] + bytes([int(rng.integers(256))]) + whole[at + 1 :]
    if kind == 1:
        return whole[:at] + whole[at + int(rng.integers(1, 30)) :]
    return whole[:at] + rng.bytes(int(rng.integers(1, 10))) + whole[at:]


def test_no_bytes_make_a_reader_raise_anything_but_a_store_error(fresh_store: ModelStore) -> None:
    fresh_store.promote("conditional")
    version, body = fresh_store.directory("conditional", 1), fresh_store.manifest("conditional", 1)
    model = version.parent
    readers: dict[Path, Callable[[Path], object]] = {
        version / MANIFEST: lambda path: parse_manifest(path.read_bytes()),
        version / "golden.npz": lambda path: read_golden(path, body).replay_inputs(body.input),
        version / "prior.npz": lambda path: read_prior(path, body.latent.dim),
        version / "heldout.npz": lambda path: read_heldout(path, body),
        model / "history.json": lambda path: aliases.read_history(path.parent),
        model / "aliases.json": lambda path: aliases.read_aliases(path.parent),
    }
    rng = np.random.default_rng(0)
    refused = dict.fromkeys(readers, 0)
    for path, read in readers.items():
        whole = path.read_bytes()
        for _ in range(200):
            path.write_bytes(spoilt_bytes(whole, rng))
            try:
                read(path)
            except StoreError:
                refused[path] += 1
    assert min(refused.values()) > 100
