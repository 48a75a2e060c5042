"""The manifest: valid documents, and the named error for each invalid one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model_store import ModelStore
from model_store.errors import ManifestUnreadable, SchemaTooNew, UnsafePath
from model_store.manifest import (
    AnomalySpec,
    ImageInput,
    ImagePreprocess,
    Likelihood,
    Standardisation,
    VectorInput,
    parse_manifest,
    require_inside,
)


@pytest.fixture
def document(affine_store: ModelStore) -> dict[str, Any]:
    """The manifest of `image@1`, to be spoilt."""
    found: dict[str, Any] = json.loads((affine_store.directory("image", 1) / "manifest.json").read_bytes())
    return found


def spoilt(document: dict[str, Any], where: str, value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The document with one field set; `where` is a dotted path."""
    *parents, last = where.split(".")
    part = document
    for parent in parents:
        part = part[parent]
    part[last] = value
    return json.dumps(document).encode()


def test_every_manifest_writes_itself(affine_store: ModelStore) -> None:
    for name in affine_store.names():
        data = (affine_store.directory(name, 1) / "manifest.json").read_bytes()
        assert parse_manifest(data).to_json() == data


def test_its_digest_is_the_one_that_was_recorded(affine_store: ModelStore) -> None:
    for name in affine_store.names():
        recorded = (affine_store.directory(name, 1) / "manifest.sha256").read_text(encoding="utf-8")
        assert affine_store.manifest(name, 1).digest == recorded.split()[0]
        assert len(recorded.split()[0]) == 64


def test_a_newer_schema_is_refused_by_name(document: dict[str, Any]) -> None:
    with pytest.raises(SchemaTooNew, match="schema_version 2; this release reads up to 1: upgrade latent"):
        parse_manifest(spoilt(document, "schema_version", 2))


@pytest.mark.parametrize("schema", [0, -1, None, "1", 1.5, True, [1]])
def test_a_schema_that_never_was(document: dict[str, Any], schema: object) -> None:
    with pytest.raises(ManifestUnreadable, match="schema_version"):
        parse_manifest(spoilt(document, "schema_version", schema))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"1", b'"a"', b"\xff\xfe", b"[" * 100_000, b'{"schema_version": 1}']
)
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ManifestUnreadable, match=r"manifest\.json"):
        parse_manifest(data)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("name", "Image"),
        ("version", 0),
        ("created_at", "2026-01-01T00:00:00"),
        ("unknown", 1),
        ("input.kind", "sound"),
        ("input.shape", [4, 4, 2]),
        ("input.shape", [4, 5, 1]),
        ("input.value_range", [1.0, 0.0]),
        ("input.value_range", [0.0, float("inf")]),
        ("input.conditional", True),
        ("input.preprocess.mode", "RGB"),
        ("input.preprocess.version", 2),
        ("latent.dim", 0),
        ("latent.distribution", "laplace"),
        ("likelihood.sigma", None),
        ("likelihood.sigma", 0.0),
        ("metrics.mse", float("nan")),
        ("anomaly.threshold", float("inf")),
        ("anomaly.levels", [0.0, 1.0]),
        ("tolerance.rtol", -1.0),
        ("dataset.sha256", "abc"),
        ("files", {"golden.npz": {"size": -1, "sha256": "0" * 64}}),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], where: str, value: object) -> None:
    with pytest.raises(ManifestUnreadable) as caught:
        parse_manifest(spoilt(document, where, value))
    assert where.split(".", maxsplit=1)[0] in str(caught.value)
    assert "\n" not in str(caught.value)


UNSAFE = ["../x", "/etc/passwd", "a/../../b", "a/..", "..", ".", "", "./a", "a//b", "a/", "a\\b", "C:x", "a\nb", "a\0b"]


@pytest.mark.parametrize("path", UNSAFE)
def test_paths_that_leave_the_version(document: dict[str, Any], path: str) -> None:
    document["files"][path] = {"size": 0, "sha256": "0" * 64}
    with pytest.raises(UnsafePath, match="which is no plain path inside the version"):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.parametrize("path", ["a", "a/b.c", "variables/variables.data-00000-of-00001", "...", "é/ü"])
def test_paths_that_stay_inside(path: str) -> None:
    require_inside(path)


@given(st.text(alphabet="ab./\\:~\n\0", max_size=8))
def test_no_path_that_is_let_through_leaves(path: str) -> None:
    try:
        require_inside(path)
    except UnsafePath:
        return
    assert path
    assert ".." not in path.split("/")
    assert not path.startswith("/")


def test_a_conditional_input_needs_class_names() -> None:
    with pytest.raises(ValidationError, match="class_names"):
        ImageInput(shape=(2, 2, 1), preprocess=ImagePreprocess(size=(2, 2)), conditional=True)


def test_standardisation_has_one_number_a_column() -> None:
    with pytest.raises(ValidationError, match="same length"):
        Standardisation(mean=(1.0, 2.0), deviation=(1.0,))
    with pytest.raises(ValidationError, match="same length"):
        Standardisation(columns=("a",), mean=(1.0, 2.0), deviation=(1.0, 1.0))
    with pytest.raises(ValidationError, match="greater than 0"):
        Standardisation(mean=(1.0,), deviation=(0.0,))
    with pytest.raises(ValidationError, match="one mean and deviation a feature"):
        VectorInput(shape=(2,), preprocess=Standardisation(mean=(1.0,), deviation=(1.0,)))
    with pytest.raises(ValidationError, match="no common value_range"):
        VectorInput(shape=(1,), value_range=(0.0, 1.0), preprocess=Standardisation(mean=(1.0,), deviation=(1.0,)))


@pytest.mark.parametrize(("kind", "sigma"), [("gaussian", None), ("bernoulli", 1.0), ("gaussian", -1.0)])
def test_sigma_belongs_to_the_gaussian_alone(kind: Any, sigma: float | None) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(ValidationError, match="sigma"):
        Likelihood(kind=kind, sigma=sigma)


@pytest.mark.parametrize(
    ("levels", "quantiles"),
    [
        ((0.0, 1.0), (1.0,)),
        ((0.0,), (1.0,)),
        ((0.1, 1.0), (1.0, 2.0)),
        ((0.0, 0.9), (1.0, 2.0)),
        ((0.0, 0.6, 0.5, 1.0), (1.0, 2.0, 3.0, 4.0)),
        ((0.0, 1.0), (2.0, 1.0)),
    ],
)
def test_quantiles_run_from_zero_to_one_upwards(levels: tuple[float, ...], quantiles: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="levels"):
        AnomalySpec(levels=levels, quantiles=quantiles, threshold=1.0, threshold_level=0.99)
