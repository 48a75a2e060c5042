"""Verbs on data sets, into files: equal to the answers of a request, in every format, from every source."""

from __future__ import annotations

import csv
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from latent.bulk.engine import load
from latent.errors import CommandError
from latent.rows import Rows
from latent.writers import written
from model_store import ModelStore
from tests.latent.conftest import Latent
from tests.support.affine import AFFINE

MODELS = ["conditional", "plain-vector", "rgb", "sequence", "vector"]
MANY = 600
"""Two batches and a part of a third."""


def draw(model: str, n: int = MANY) -> tuple[NDArray[Any], list[str]]:
    """Items as a user has them, and the options that their classes need."""
    items, labels = AFFINE[model].draw(n, seed=3)
    if labels is None:
        return items, []
    return items, ["--labels", ",".join(map(str, labels))]


def rows(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def arrays(name: str) -> dict[str, NDArray[Any]]:
    """The answer of one request."""
    with np.load(name) as archive:
        return {key: archive[key] for key in archive.files}


# -- the same numbers as one request -----------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_encode_answers_as_one_request_does(latent: Latent, store: Path, model: str) -> None:
    items, labels = draw(model)
    np.save("items.npy", items)
    options = [model, "items.npy", *labels, "--store", store]
    latent("encode", *options, "-o", "request.npz")
    dim = AFFINE[model].latent.dim
    assert latent("encode", *options, "-o", "codes.npy").out == f"codes.npy: {MANY} × {dim} from {model}@1\n"
    latent("encode", *options, "-o", "codes.parquet")
    latent("encode", *options, "-o", "codes.csv")
    expected = arrays("request.npz")
    codes = np.load("codes.npy")
    assert (codes.dtype, codes.shape) == (np.float32, (MANY, dim))
    np.testing.assert_allclose(codes, expected["z"], rtol=1e-6, atol=1e-6)
    table = parquet.read_table("codes.parquet")
    assert table["index"].to_pylist() == list(range(MANY))
    for name in ("z_mean", "z_log_var"):
        assert (name in table.column_names) == (name in expected)
        if name in expected:
            np.testing.assert_allclose(np.stack(table[name].to_pylist()), expected[name], rtol=1e-6, atol=1e-6)
    text = [[float(row[f"z_{at}"]) for at in range(dim)] for row in rows("codes.csv")]
    np.testing.assert_array_equal(np.array(text, np.float32), codes)


@pytest.mark.parametrize("model", ["conditional", "rgb", "vector"])
def test_decode_answers_as_one_request_does(latent: Latent, store: Path, model: str) -> None:
    _, labels = draw(model)
    np.save("codes.npy", np.random.default_rng(1).normal(size=(MANY, AFFINE[model].latent.dim)))
    options = [model, "codes.npy", *labels, "--store", store]
    latent("decode", *options, "-o", "request.npz")
    latent("decode", *options, "-o", "outputs.npy")
    outputs = np.load("outputs.npy")
    assert (outputs.dtype, outputs.shape) == (np.float32, (MANY, *AFFINE[model].input.shape))
    np.testing.assert_allclose(outputs, arrays("request.npz")["outputs"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model", ["conditional", "plain-vector", "rgb", "vector"])
def test_scores_are_those_of_one_request(latent: Latent, store: Path, model: str) -> None:
    items, labels = draw(model)
    np.save("items.npy", items)
    options = [model, "items.npy", *labels, "--quantile", "0.5", "--store", store]
    latent("reconstruct", *options, "-o", "request.npz")
    for suffix in ("npy", "csv", "parquet"):
        latent("reconstruct", *options, "-o", f"scores.{suffix}")
    expected = arrays("request.npz")
    names = ["mse", "nll", "kl", "elbo", "percentile", "is_anomaly"]
    if "metrics.kl" not in expected:
        names = ["mse", "nll", "percentile", "is_anomaly"]
    scores = np.load("scores.npy")
    assert scores.dtype.names == tuple(names)
    text, table = rows("scores.csv"), parquet.read_table("scores.parquet")
    assert [name for name in table.column_names if name in names] == names
    for name in names:
        wanted = expected[f"metrics.{name}" if f"metrics.{name}" in expected else f"anomaly.{name}"]
        np.testing.assert_allclose(scores[name], wanted, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(table[name].to_numpy(), scores[name])
        np.testing.assert_array_equal([float(row[name]) for row in text], scores[name])
    assert 0 < scores["is_anomaly"].sum() < MANY


def test_rows_of_a_table_come_back_under_their_names(latent: Latent, store: Path, table: Path) -> None:
    for suffix in ("csv", "parquet"):
        latent("reconstruct", "vector", table, "-o", f"scores.{suffix}", "--store", store)
    names = ["width", "height", "depth", "mse", "nll", "percentile", "is_anomaly"]
    assert list(rows("scores.csv")[0]) == names
    assert parquet.read_table("scores.parquet").column_names == ["index", *names]
    np.testing.assert_allclose(parquet.read_table("scores.parquet")["height"].to_numpy(), [20, 16], rtol=1e-6)
    latent("encode", "vector", table, "-o", "codes.parquet", "--store", store)
    latent("decode", "vector", "codes.parquet", "-o", "back.parquet", "--store", store)
    back = parquet.read_table("back.parquet")
    assert back.column_names == ["index", "width", "height", "depth"]
    np.testing.assert_allclose(back["depth"].to_numpy(), [30, 30], rtol=1e-6)


def test_the_summary_is_json(latent: Latent, store: Path) -> None:
    np.save("items.npy", draw("image")[0])
    summary = latent("encode", "image", "items.npy", "-o", "codes.npy", "--json", "--store", store).document
    assert list(summary) == ["model", "items", "seconds", "items_per_second", "file"]
    assert (summary["model"], summary["items"], summary["file"]) == ("image@1", MANY, "codes.npy")
    assert summary["items_per_second"] == pytest.approx(MANY / summary["seconds"])
    small = latent("encode", "image", "items.npy", "-o", "codes.json", "--json", "--store", store).document
    assert small == {"model": "image@1", "items": MANY, "file": "codes.json"}


def test_both_engines_stream_alike(latent: Latent, store: Path) -> None:
    np.save("items.npy", draw("rgb", 20)[0])
    for engine in ("openvino", "tensorflow"):
        options = ["--engine", engine, "--store", store]
        latent("reconstruct", "rgb", "items.npy", "-o", f"{engine}.npy", *options)
    for name in ("mse", "nll", "kl", "percentile"):
        np.testing.assert_allclose(np.load("openvino.npy")[name], np.load("tensorflow.npy")[name], rtol=1e-5)


def test_a_large_model_gets_small_batches(affine_store: ModelStore) -> None:
    small = load(affine_store.directory("image", 1), "openvino", 2)
    assert (small.batch, small.workers, small.reference) == (256, 3, "image@1")
    x = np.random.default_rng(0).random((5, 4, 4, 1), np.float32)
    assert small.encode(x, {}).z_mean.shape == (5, 2)


# -- every source ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_pictures(latent: Latent, store: Path, dtype: str, order: str) -> None:
    pixels = draw("image")[0][..., 0]
    x = pixels if dtype == "u1" else (pixels / 255).astype(dtype)
    np.save("items.npy", np.asfortranarray(x) if order == "F" else x)
    latent("encode", "image", "items.npy", "-o", "codes.npy", "--store", store)
    expected = AFFINE["image"].encode(pixels / 255)[0]
    np.testing.assert_allclose(np.load("codes.npy"), expected, atol=5e-3 if dtype == "f2" else 1e-5)


def test_a_directory_of_pictures(latent: Latent, store: Path) -> None:
    pixels = draw("image", 7)[0][..., 0]
    for at, image in enumerate(pixels):
        Path("set", "odd" if at % 2 else "even").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(Path("set", "odd" if at % 2 else "even", f"{at}.png"))
    order = [0, 2, 4, 6, 1, 3, 5]
    for suffix in ("npy", "csv", "parquet", "npz"):
        latent("encode", "image", "set", "--invert", "-o", f"codes.{suffix}", "--store", store)
    expected = AFFINE["image"].encode(1.0 - pixels[order] / 255)[0]
    np.testing.assert_allclose(np.load("codes.npy"), expected, atol=1e-6)
    np.testing.assert_allclose(arrays("codes.npz")["z"], expected, atol=1e-6)
    files = [f"{'odd' if at % 2 else 'even'}/{at}.png" for at in order]
    table = parquet.read_table("codes.parquet")
    assert table.column_names == ["index", "file", "label", "z_mean", "z_log_var"]
    assert (table["file"].to_pylist(), table["label"].to_pylist()[:5]) == (files, [*["even"] * 4, "odd"])
    assert [(row["file"], row["label"]) for row in rows("codes.csv")][-1] == ("odd/5.png", "odd")
    latent("decode", "image", "codes.csv", "-o", "back.npy", "--store", store)
    np.testing.assert_allclose(np.load("back.npy"), AFFINE["image"].decode(expected).clip(0, 1), atol=1e-5)


def test_idx_files_and_their_labels(latent: Latent, store: Path) -> None:
    pixels, classes = AFFINE["conditional"].draw(9, seed=2)
    assert classes is not None
    Path("idx").mkdir()
    Path("idx/train-images").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 9, 4, 4) + pixels.tobytes())
    Path("idx/train-labels").write_bytes(struct.pack(">HBBI", 0, 8, 1, 9) + classes.astype(np.uint8).tobytes())
    expected = AFFINE["conditional"].encode(pixels / 255, classes)[0]
    for name in ("codes.npy", "codes.parquet", "codes.npz"):
        latent("encode", "conditional", "idx", "-o", name, "--store", store)
    np.testing.assert_allclose(np.load("codes.npy"), expected, atol=1e-5)
    np.testing.assert_allclose(arrays("codes.npz")["z"], expected, atol=1e-5)
    latent("decode", "conditional", "codes.parquet", "-o", "back.npy", "--store", store)
    back = AFFINE["conditional"].decode(expected, classes).clip(0, 1)
    np.testing.assert_allclose(np.load("back.npy"), back, atol=1e-5)


def test_labels_by_name_for_all_for_each_or_from_the_data(latent: Latent, store: Path) -> None:
    pixels, classes = AFFINE["conditional"].draw(4, seed=2)
    names = np.array(["zero", "one", "two"])
    np.savez("named.npz", x=pixels, y=names[classes])
    np.savez("plain.npz", x=pixels)
    each = ",".join(names[classes])
    for options in (["named.npz"], ["plain.npz", "--labels", each]):
        latent("encode", "conditional", *options, "-o", "codes.npy", "--store", store)
        np.testing.assert_allclose(
            np.load("codes.npy"), AFFINE["conditional"].encode(pixels / 255, classes)[0], atol=1e-5
        )
    latent("encode", "conditional", "named.npz", "--labels", "two", "-o", "codes.npy", "--store", store)
    twos = np.full(4, 2)
    np.testing.assert_allclose(np.load("codes.npy"), AFFINE["conditional"].encode(pixels / 255, twos)[0], atol=1e-5)
    latent("reconstruct", "conditional", "named.npz", "--target-labels", "0", "-o", "scores.npy", "--store", store)
    z = AFFINE["conditional"].encode(pixels / 255, classes)[0]
    styled = AFFINE["conditional"].decode(z, np.zeros(4, np.int64)).clip(0, 1)
    mse = np.square(pixels / 255 - styled).reshape(4, -1).mean(axis=1)
    np.testing.assert_allclose(np.load("scores.npy")["mse"], mse, rtol=1e-4)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_label_column_is_passed_on(latent: Latent, store: Path, table: Path, suffix: str) -> None:
    if suffix == "parquet":
        columns = {"label": ["a", "b"], "depth": [30.0, 35.0], "height": [20, 16], "width": [10, 12]}
        parquet.write_table(pa.table(columns), "table.parquet")
    source = table.with_suffix(f".{suffix}")
    latent("encode", "vector", source, "--label-column", "label", "-o", "codes.csv", "--store", store)
    assert rows("codes.csv") == [
        {"label": "a", "z_0": "0.0", "z_1": "0.0"},
        {"label": "b", "z_0": "1.0", "z_1": "-1.0"},
    ]


def test_parquet_goes_to_a_server_as_well(latent: Latent, store: Path) -> None:
    parquet.write_table(pa.table({"height": [20, 16], "width": [10, 12], "depth": [30.0, 30.0]}), "two.parquet")
    answer = latent("encode", "vector", "two.parquet", "--store", store).document
    np.testing.assert_allclose(answer["z"], [[0, 0], [1, -1]], atol=1e-6)


# -- what is wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["encode", "image", "nan.npy"], "nan.npy: the array holds a value that is no finite number at [531, 2, 1, 0]"),
        (["encode", "image", "dark.npy"], "dark.npy: a value lies outside the model's value range at [300, 0, 3, 0]"),
        (["encode", "image", "flat.npy"], "(expected (n, 4, 4, 1), got (n, 3))"),
        (["encode", "image", "line.npy"], "(expected (n, 4, 4, 1), got (n,))"),
        (["encode", "vector", "bytes.npy"], "bytes.npy holds uint8: vector takes vectors of floats"),
        (["encode", "vector", "pictures"], "vector takes vectors, no pictures"),
        (["encode", "image", "table.csv"], "image takes images: a table holds vectors"),
        (["encode", "image", "broken"], "broken/1.png: the bytes are no complete image"),
        (["encode", "image", "none.npy"], "none.npy holds no items"),
        (
            ["encode", "plain-vector", "huge.npy"],
            "huge.npy: the array holds a value that is no finite number at [1, 0]",
        ),
        (["decode", "vector", "large.npy"], "large.npy, item 2: the model's answer is no finite number"),
        (["encode", "image", "dark.npy", "--labels", "one"], "image takes no labels"),
        (["encode", "conditional", "bytes.npy"], "it needs --labels (one of zero, one, two, for all or for each)"),
        (["encode", "conditional", "bytes.npy", "--labels", "one,two"], "2 labels for 3 items: give one for all"),
        (["encode", "conditional", "bytes.npy", "--labels", "nine"], "unknown label 'nine' (expected one of zero, one"),
        (["encode", "conditional", "bytes.npy", "--labels", "3"], "unknown label 3 (expected one of zero, one, two)"),
        (["encode", "conditional", "named.npz"], "named.npz, item 1: unknown label 'ten' (expected one of zero, one"),
        (["encode", "vector", "table.csv", "--label-column", "no"], "table.csv has no column 'no' for --label-column"),
        (["decode", "image", "flat.npy"], "flat.npy holds no codes of image (expected (n, 2), got (n, 3))"),
        (["decode", "image", "bytes.npy"], "bytes.npy holds uint8: codes are floats"),
        (["decode", "image", "pictures"], "pictures holds pictures; decode takes codes"),
        (["decode", "image", "nan_codes.npy"], "no finite number at [2, 1]"),
        (["reconstruct", "image", "dark.npy", "--threshold", "1", "--quantile", "0"], "exclude each other"),
        (["reconstruct", "image", "dark.npy", "--threshold", "-1"], "--threshold must be at least 0, not -1"),
        (["reconstruct", "image", "dark.npy", "--quantile", "2"], "--quantile must be from 0 to 1, not 2"),
        (["encode", "imag", "dark.npy"], "unknown model 'imag'; did you mean image?"),
        (["encode", "image", "scores.parquet"], "scores.parquet cannot be read (no such file or directory)"),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_is_wrong_is_one_line_and_leaves_the_old_file(
    latent: Latent, store: Path, arguments: list[str], complaint: str
) -> None:
    x = np.full((MANY, 4, 4, 1), 0.5)
    x[300, 0, 3, 0] = -0.25
    np.save("dark.npy", x)
    x[300, 0, 3, 0], x[531, 2, 1, 0], x[599] = 0.5, np.nan, np.nan
    np.save("nan.npy", x)
    np.save("flat.npy", np.zeros((2, 3)))
    np.save("line.npy", np.zeros(3))
    np.save("none.npy", np.zeros((0, 4, 4)))
    np.save("bytes.npy", np.zeros((3, 4, 4), np.uint8))
    np.save("huge.npy", np.array([[0.0, 0.0], [1e39, 0.0]]))
    np.save("large.npy", np.array([[0.0, 0.0], [1.0, 0.0], [3e38, 0.0]], np.float32))
    np.save("nan_codes.npy", np.array([[0.0, 0.0], [1.0, 0.0], [1.0, np.inf]]))
    np.savez("named.npz", x=np.zeros((2, 4, 4)), y=["two", "ten"])
    for name, content in (("pictures", None), ("broken", b"\x89PNG")):
        Path(name).mkdir()
        Image.new("L", (4, 4)).save(Path(name, "0.png"))
        if content is not None:
            Path(name, "1.png").write_bytes(content)
    Path("codes.npy").write_text("old")
    before = sorted(Path.cwd().rglob("*"))
    assert complaint in latent(*arguments, "-o", "codes.npy", "--store", store).complaint
    assert sorted(Path.cwd().rglob("*")) == before
    assert Path("codes.npy").read_text() == "old"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["encode", "image", "items.npy", "-o", "codes.txt"], "codes.txt: the output's name must end in .npy, .npz, "),
        (["encode", "image", "items.npy", "-o", "no/codes.npy"], "no/codes.npy: there is no directory no"),
        (["encode", "image", "items.npy", "-o", "pipe.npy"], "pipe.npy is no file"),
        (["decode", "image", "codes.npy", "-o", "back.csv"], "image answers images, which a table cannot hold"),
        (["decode", "sequence", "codes.npy", "-o", "back.parquet"], "sequence answers sequences, which a table"),
        (["encode", "image", "items.json", "--label-column", "a", "-o", "x.json"], "but items.json is none"),
    ],
)
def test_outputs_that_are_refused(
    latent: Latent, store: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    np.save("items.npy", np.zeros((2, 4, 4)))
    np.save("codes.npy", np.zeros((2, 2)))
    Path("items.json").write_text("[[0]]")
    os.mkfifo("pipe.npy")
    before = sorted(tmp_path.iterdir())
    assert complaint in latent(*arguments, "--store", store).complaint
    assert sorted(tmp_path.iterdir()) == before


def test_two_columns_of_one_name(latent: Latent, store: Path) -> None:
    codes = {"index": [0.5, 1.5], "z_0": [1.0, 2.0]}
    parquet.write_table(pa.table(codes), "codes.parquet")
    latent("decode", "plain-vector", "codes.parquet", "-o", "outputs.parquet", "--store", store)
    assert parquet.read_table("outputs.parquet").to_pydict() == {"index": [0, 1], "x_0": [1.0, 2.0], "x_1": [1.0, 2.0]}
    rows = Rows(np.zeros((1, 1)), [], [("index", np.zeros(1))])
    with pytest.raises(CommandError, match=r"^x\.parquet: two columns would be called 'index'"):
        written(Path("x.parquet"), rows)
