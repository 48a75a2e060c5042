"""Sizes have limits: of files, of what archives unpack to, of every part of a manifest, of the goldens' tolerance."""

from __future__ import annotations

import json
import os
import socket
import stat
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store import ManifestBody, ModelStore, limits, stage
from model_store.archives import read_archive, write_archive
from model_store.errors import (
    BadAliases,
    BadHistory,
    FileAltered,
    FileMissing,
    FileUnlisted,
    FileUnreadable,
    GoldenInvalid,
    ManifestAltered,
    ManifestUnreadable,
    StoreError,
    ToleranceTooWide,
    UnsafePath,
)
from model_store.golden import MAX_RTOL, check_tolerance, read_golden, write_golden
from model_store.manifest import Tolerance, parse_manifest
from model_store.verify import DIGEST, MANIFEST, verify_version
from tests.model_store.test_verify import reseal
from tests.support.publisher import body_from, copy_files

HUGE = 10 * 2**30


@pytest.fixture
def version(fresh_store: ModelStore) -> Path:
    return fresh_store.directory("image", 1)


def grow(path: Path) -> None:
    """10 GB, of which the disk holds nothing."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(HUGE)


# -- something else in the place of a file -----------------------------------------------------------------


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def bound_socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("file", [MANIFEST, DIGEST, "golden.npz", "prior.npz", "encoder/saved_model.pb", "report/x"])
@pytest.mark.parametrize(
    ("put", "kind"), [(pipe, "no regular file but a pipe"), (bound_socket, "no regular file but a socket")]
)
def test_what_is_no_file_is_named_and_not_waited_for(
    version: Path, file: str, put: Callable[[Path], None], kind: str
) -> None:
    (version / file).touch()
    put(version / file)
    with pytest.raises(UnsafePath, match=f"{file} is {kind}"):
        verify_version(version)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices")
@pytest.mark.parametrize("file", [MANIFEST, "golden.npz"])
def test_a_device_is_named(version: Path, file: str) -> None:
    (version / file).unlink()
    os.mknod(version / file, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero: it would never end
    with pytest.raises(UnsafePath, match=f"{file} is no regular file but a device"):
        verify_version(version)


@pytest.mark.parametrize("file", [MANIFEST, DIGEST])
def test_a_directory_in_the_place_of_the_manifest(version: Path, file: str) -> None:
    directory(version / file)
    with pytest.raises(FileUnreadable, match=rf"{file} cannot be read \(Is a directory\)"):
        verify_version(version)


def test_a_directory_in_the_place_of_a_file(version: Path) -> None:
    directory(version / "golden.npz")
    with pytest.raises(FileMissing, match=r"golden\.npz is a directory, no file"):
        verify_version(version)


@pytest.mark.parametrize("put", [pipe, bound_socket, directory, grow])
@pytest.mark.parametrize(("file", "error"), [("aliases.json", BadAliases), ("history.json", BadHistory)])
def test_the_models_own_files_are_read_within_limits(
    fresh_store: ModelStore, put: Callable[[Path], None], file: str, error: type[StoreError]
) -> None:
    fresh_store.promote("image@1")
    put(fresh_store.path / "image" / file)
    (finding,) = [finding for finding in fresh_store.verify("image") if finding.error]
    assert type(finding.error) is error
    assert f"{file} of image cannot be read (" in str(finding.error)
    assert fresh_store.resolve("image@1") == ("image", 1)


@pytest.mark.parametrize("put", [pipe, bound_socket, grow])
def test_a_promotion_replaces_aliases_that_cannot_be_read(fresh_store: ModelStore, put: Callable[[Path], None]) -> None:
    fresh_store.promote("image@1")
    put(fresh_store.path / "image" / "aliases.json")
    fresh_store.promote("image@1", "trial")
    assert fresh_store.aliases("image") == {"production": 1, "trial": 1}


# -- bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("file", "error"), [(MANIFEST, ManifestUnreadable), (DIGEST, ManifestAltered)])
def test_a_manifest_of_ten_gigabytes_is_not_read(version: Path, file: str, error: type[StoreError]) -> None:
    grow(version / file)
    with pytest.raises(error, match=rf"{file} cannot be read \(it has {HUGE} bytes; at most \d+ are read\)"):
        verify_version(version)


def test_a_file_of_ten_gigabytes_is_not_hashed(version: Path) -> None:
    grow(version / "golden.npz")
    with pytest.raises(FileAltered, match=f"golden.npz has {HUGE} bytes"):
        verify_version(version)


def test_an_archive_that_unpacks_to_gigabytes(version: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as x:
        np.lib.format.write_array_header_1_0(x, {"descr": "|u1", "fortran_order": False, "shape": (2**28,)})
        for _ in range(2**8):
            x.write(bytes(2**20))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**20
    (tmp_path / "bomb.npz").replace(version / "golden.npz")
    with pytest.raises(GoldenInvalid, match=r"golden\.npz: it unpacks to \d+ bytes; at most \d+ are read"):
        read_golden(version / "golden.npz", body_from(version))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((10**12,), "<f8"), ((10**30, 0, 10**30), "<f4"), ((2**62, 4), "|u1"), ((-1, 10), "<f4"), ((4,), "|V1000000000")],
)
def test_a_header_that_announces_more_than_there_is(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, archive.open("x.npy", "w") as x:
        np.lib.format.write_array_header_1_0(x, {"descr": dtype, "fortran_order": False, "shape": shape})
        x.write(bytes(64))
    with pytest.raises(ValueError, match=r"shorter|no array|readable|reshape|negative|dimension"):
        read_archive(tmp_path / "x.npz")


def test_archives_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {
        "c": rng.normal(size=(3, 4, 5)),
        "fortran": np.asfortranarray(rng.normal(size=(3, 4, 5)).astype(">f4")),
        "zero": np.array(2.5, np.float32),
        "empty": np.zeros((0, 3), np.int8),
        "bool": np.array([True, False]),
        "long": rng.integers(0, 9, 3_000_000, dtype=np.uint8),
    }
    write_archive(tmp_path / "a.npz", arrays)
    np.savez(tmp_path / "b.npz", **arrays)  # type: ignore[arg-type]  # numpy's stub takes them for its own options
    for name in ("a.npz", "b.npz"):
        found = read_archive(tmp_path / name)
        assert found.keys() == arrays.keys()
        for key, array in arrays.items():
            assert found[key].dtype == np.asarray(array).dtype
            np.testing.assert_array_equal(found[key], array)


def test_a_version_of_too_many_files(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FILES", 20)
    for number in range(20):
        (version / "report" / str(number)).touch()
    with pytest.raises(FileUnlisted, match="the version holds more than 20 files"):
        verify_version(version)


def test_a_name_that_is_no_text_is_told_in_text(version: Path) -> None:
    (version / "report" / os.fsdecode(b"\xff\n.txt")).touch()
    with pytest.raises(FileUnlisted) as caught:
        verify_version(version)
    assert str(caught.value).isprintable()
    assert str(caught.value).encode()


# -- the manifest ------------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(depth):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("latent.dim", limits.LATENT_DIM + 1),
        ("latent.dim", 10**400),
        ("input.shape", [2**13, 2**13, 1]),
        ("input.shape", [10**12, 4, 1]),
        ("input.class_names", ["x"] * (limits.CLASSES + 1)),
        ("input.class_names", ["x" * 2000]),
        ("files", {f"f{number}": {"size": 0, "sha256": "0" * 64} for number in range(limits.FILES + 1)}),
        ("files", {"golden.npz": {"size": 2**40, "sha256": "0" * 64}}),
        ("family", "x" * 2000),
        ("intended_use", "x" * 30_000),
        ("seed", 2**63),
        ("dataset.train_items", 10**30),
        ("dataset.licence", "x" * 2000),
        ("metrics", {"x" * 2000: 1.0}),
        ("libraries", {"x": "x" * 2000}),
        ("engines", ["x" * 2000]),
        ("recipe", {"text": "x" * 30_000}),
        ("recipe", {"list": [0] * (limits.ENTRIES + 1)}),
        ("recipe", {"number": 2**64}),
        ("recipe", {"number": [1.0, float("nan")]}),
        ("recipe", nested(50)),
        ("recipe", nested(5000)),
    ],
)
def test_parts_that_are_too_large_are_named(version: Path, where: str, value: object) -> None:
    document = json.loads((version / MANIFEST).read_bytes())
    *parents, last = where.split(".")
    part = document
    for parent in parents:
        part = part[parent]
    part[last] = value
    with pytest.raises(ManifestUnreadable) as caught:
        parse_manifest(json.dumps(document).encode() if where != "recipe" else dumped(document))
    assert len(str(caught.value)) < 500
    assert where.partition(".")[0] in str(caught.value) or "JSON" in str(caught.value)


def dumped(document: dict[str, Any]) -> bytes:
    """As JSON however deep it is: the encoder has a limit of its own."""
    recipe = document.pop("recipe")
    depth = 0
    while isinstance(inner := recipe.get("a") if isinstance(recipe, dict) else None, dict):
        recipe, depth = inner, depth + 1
    text = '{"a":' * depth + json.dumps(recipe) + "}" * depth
    return f'{json.dumps(document)[:-1]},"recipe":{text}}}'.encode()


def test_a_path_that_is_too_long(version: Path) -> None:
    reseal(version, lambda document: document["files"].update({"x" * 2000: {"size": 0, "sha256": "0" * 64}}))
    with pytest.raises(UnsafePath, match="a path of 2000 characters"):
        verify_version(version)


def test_what_no_reader_would_take_is_not_published(fresh_store: ModelStore) -> None:
    source = fresh_store.directory("image", 1)
    for changed in ({"recipe": nested(50)}, {"seed": 2**64}, {"family": "x" * 2000}):
        with stage(fresh_store.path, "image") as staging:
            copy_files(source, staging.path)
            with pytest.raises(ManifestUnreadable, match=f"cannot be published: {next(iter(changed))}"):
                staging.publish(body_from(source).model_copy(update=changed))
    assert fresh_store.versions("image") == [1]


# -- the tolerance -----------------------------------------------------------------------------------------


def with_tolerance(body: ManifestBody, **given: float) -> ManifestBody:
    return body.model_copy(update={"tolerance": Tolerance(**given)})


@pytest.mark.parametrize(
    "given", [{"atol": 1e308}, {"rtol": 1e308}, {"atol": 1.0}, {"atol": 0.01}, {"rtol": 0.1}, {"rtol": 1.0, "atol": 0}]
)
def test_a_tolerance_with_which_goldens_prove_nothing(fresh_store: ModelStore, given: dict[str, float]) -> None:
    version = fresh_store.directory("image", 1)
    with stage(fresh_store.path, "image") as staging:
        copy_files(version, staging.path)
        with pytest.raises(ToleranceTooWide, match=rf"tolerance\.{next(iter(given))} is "):
            staging.publish(with_tolerance(body_from(version), **given))
    reseal(version, lambda document: document["tolerance"].update(given))
    with pytest.raises(ToleranceTooWide, match=r"at most 0\.\d+ is allowed, or the goldens would prove nothing"):
        verify_version(version)


def test_the_trainers_tolerance_is_well_below_the_limit(affine_store: ModelStore) -> None:
    for name in affine_store.names():
        body = affine_store.manifest(name, 1)
        golden = read_golden(affine_store.directory(name, 1) / "golden.npz", body)
        check_tolerance(golden, Tolerance(rtol=20 * body.tolerance.rtol, atol=20 * body.tolerance.atol))


def test_the_limit_grows_with_codes_and_outputs(affine_store: ModelStore) -> None:
    """As the trainer's own does: sums of large numbers are less exact."""
    body = affine_store.manifest("image", 1)
    golden = read_golden(affine_store.directory("image", 1) / "golden.npz", body)
    wide = Tolerance(rtol=MAX_RTOL, atol=0.5)
    with pytest.raises(ToleranceTooWide):
        check_tolerance(golden, wide)
    check_tolerance(replace(golden, outputs=golden.outputs * np.float32(1e5)), wide)


def test_goldens_that_no_float32_holds(version: Path, tmp_path: Path) -> None:
    body = body_from(version)
    golden = read_golden(version / "golden.npz", body)
    write_golden(tmp_path / "golden.npz", replace(golden, outputs=np.full(golden.outputs.shape, 1e300)))
    with pytest.raises(GoldenInvalid, match="no finite number"):
        read_golden(tmp_path / "golden.npz", body)
