"""Data sources: reading each kind, and the error for each kind of bad data."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from model_store.manifest import ImageInput, ImagePreprocess
from model_store.preprocess import image_to_input
from tests.training.files import Array, write_idx, write_mnist, write_pictures, write_table
from training.config import DataConfig, InputConfig
from training.data import Dataset, load
from training.data.splits import split
from training.errors import BadSetting, DataError


def read(source: str | Path, *, label: str | None = None, directory: Path | None = None, **options: str) -> Dataset:
    return load(DataConfig(source=str(source), label=label, dir=directory), InputConfig.model_validate(options))


# -- named sources ---------------------------------------------------------------------------------------------


def test_mnist_5k_is_shuffled_by_its_split() -> None:
    data = read("mnist-5k")
    assert (data.inputs.shape, data.inputs.dtype.name) == ((5000, 28, 28, 1), "uint8")
    assert data.labels is not None
    np.testing.assert_array_equal(np.bincount(data.labels), np.full(10, 500))
    np.testing.assert_array_equal(data.labels, np.sort(data.labels))  # as it comes
    assert set(data.labels[split(5000).validation]) == set(range(10))
    assert data.class_names == tuple("0123456789")
    assert data.licence.startswith("CC BY-SA 3.0")


def test_sine_is_always_the_same_and_lies_on_the_curve() -> None:
    data = read("sine")
    assert data.sha256() == read("sine").sha256()
    assert data.columns == ("x", "y")
    x, y = data.inputs.T
    assert len(x) == 1000
    # y - sin x is noise on y and cos x times noise on x.
    assert np.std((y - np.sin(x)) / np.sqrt(1 + np.cos(x) ** 2)) == pytest.approx(0.06, rel=0.1)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("place", ["mnist", "."])
def test_mnist_from_a_directory(tmp_path: Path, suffix: str, place: str) -> None:
    write_mnist(tmp_path / place, train=120, test=30, suffix=suffix)
    data = read("mnist", directory=tmp_path)
    assert data.inputs.shape == (150, 4, 6, 1)
    assert data.official_test == 120
    assert data.labels is not None
    np.testing.assert_array_equal(data.inputs[:, 2, 3, 0], np.arange(150))
    np.testing.assert_array_equal(data.labels, np.arange(150) % 10)
    assert data.name == "mnist"


def test_fashion_mnist_from_an_archive(tmp_path: Path) -> None:
    images = np.arange(150, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    labels = np.arange(150) % 10
    np.savez(
        tmp_path / "fashion-mnist.npz",
        x_train=images[:120],
        y_train=labels[:120],
        x_test=images[120:],
        y_test=labels[120:],
    )
    data = read("fashion-mnist", directory=tmp_path)
    assert (data.inputs.shape, data.official_test) == ((150, 4, 4, 1), 120)
    assert data.class_names is not None
    assert data.class_names[9] == "ankle boot"
    assert data.licence.startswith("MIT")


def test_a_directory_of_idx_files_without_a_test_split(tmp_path: Path) -> None:
    write_idx(tmp_path / "train-images.idx3-ubyte", np.zeros((50, 5, 5)))
    data = read(tmp_path)
    assert (data.inputs.shape, data.official_test, data.labels) == ((50, 5, 5, 1), None, None)


def test_a_missing_or_empty_data_directory(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    with pytest.raises(DataError, match=r"the data directory .*/data does not exist"):
        read("mnist", directory=directory)
    directory.mkdir()
    for source in ("mnist", directory):
        with pytest.raises(DataError, match=r"the data directory .*/data is empty"):
            read(source, directory=directory)


def test_damaged_idx_files(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=50, test=50)
    images = tmp_path / "train-images-idx3-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is no complete IDX file"):
        read(tmp_path)
    images.write_bytes(b"\x1f\x8b damaged gzip")
    with pytest.raises(DataError, match="train-images-idx3-ubyte cannot be read as an IDX file"):
        read(tmp_path)
    images.write_bytes(whole)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(49))
    with pytest.raises(DataError, match="50 train images, but 49 labels"):
        read(tmp_path)


def test_a_source_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the data 'mnist5k' do not exist; did you mean mnist-5k\?"):
        read("mnist5k")
    with pytest.raises(DataError, match=r"expected mnist-5k, mnist, fashion-mnist, sine, s-curve, a directory"):
        read(tmp_path / "nothing.csv")
    (tmp_path / "data.xlsx").touch()
    with pytest.raises(DataError, match=r"data\.xlsx is of no kind that is read: a directory"):
        read(tmp_path / "data.xlsx")
    with pytest.raises(BadSetting, match="mnist-5k has none"):
        read("mnist-5k", label="y")


# -- pictures --------------------------------------------------------------------------------------------------


def test_a_folder_of_pictures_goes_the_way_of_the_service(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "dark" / "notes.txt").write_text("no picture")
    (tmp_path / "dark" / ".hidden.png").write_text("no picture")
    data = read(tmp_path, size="24x20")
    assert data.inputs.shape == (48, 24, 20, 3)
    assert data.class_names == ("dark", "light")
    assert data.labels is not None
    np.testing.assert_array_equal(data.labels, np.repeat([0, 1], 24))
    spec = ImageInput(shape=(24, 20, 3), preprocess=ImagePreprocess(mode="RGB", size=(24, 20)))
    first = image_to_input((tmp_path / "dark" / "0.png").read_bytes(), spec)
    np.testing.assert_array_equal(data.inputs[0], np.rint(first * 255))


def test_grey_pictures_are_recognised_and_a_common_small_size_is_kept(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((12, 10, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    data = read(tmp_path)
    assert (data.inputs.shape, data.labels) == ((3, 12, 10, 1), None)
    np.testing.assert_array_equal(data.inputs[:, 5, 5, 0], [0, 40, 80])
    assert read(tmp_path, colour="rgb").inputs.shape == (3, 12, 10, 3)


def test_mixed_sizes_become_32_by_32(tmp_path: Path) -> None:
    assert read(write_pictures(tmp_path, grey=True)).inputs.shape == (48, 32, 32, 1)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    broken = tmp_path / "dark" / "1.jpg"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(DataError, match=r"dark/1\.jpg: the bytes are no complete image"):
        read(tmp_path)


def test_folders_without_pictures_and_pictures_beside_folders(tmp_path: Path) -> None:
    (tmp_path / "readme.md").touch()
    with pytest.raises(DataError, match="holds no pictures"):
        read(tmp_path)
    write_pictures(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "stray.png")
    with pytest.raises(DataError, match="pictures beside the sub-folders"):
        read(tmp_path)


# -- arrays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "shape", "dtype"),
    [
        (np.ones((50, 6, 5), np.uint8), (50, 6, 5, 1), "uint8"),
        (np.ones((50, 6, 5, 3), np.uint8), (50, 6, 5, 3), "uint8"),
        (np.ones((50, 6, 5), np.int64), (50, 6, 5, 1), "uint8"),
        (np.ones((50, 6, 5), np.float64), (50, 6, 5, 1), "uint8"),
        (np.ones((50, 6), np.float64), (50, 6), "float32"),
        (np.ones((50, 6), np.int32), (50, 6), "float32"),
    ],
)
def test_rank_and_type_say_what_an_array_holds(
    tmp_path: Path, array: Array, shape: tuple[int, ...], dtype: str
) -> None:
    np.save(tmp_path / "x.npy", array)
    data = read(tmp_path / "x.npy")
    assert (data.inputs.shape, data.inputs.dtype.name) == (shape, dtype)
    assert data.inputs.max() == (255 if array.dtype.kind == "f" and array.ndim == 3 else 1)


def test_labels_beside_and_inside_arrays(tmp_path: Path) -> None:
    x = np.arange(120, dtype=np.float32).reshape(40, 3)
    words = np.array(["b", "a"] * 20)
    np.savez(tmp_path / "x.npz", x=x, y=words)
    data = read(tmp_path / "x.npz")
    assert data.labels is not None
    assert (data.class_names, data.labels[:3].tolist()) == (("a", "b"), [1, 0, 1])
    x[:, 1] = np.arange(40) % 12
    np.save(tmp_path / "x.npy", x)
    data = read(tmp_path / "x.npy", label="1")
    assert data.inputs.shape == (40, 2)
    assert data.class_names == tuple(str(i) for i in range(12))  # numbers in their order, not the alphabet's
    np.testing.assert_array_equal(data.inputs[1], [3, 5])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1.0, 2.0]), r"has shape \(2,\); expected vectors"),
        (np.array(["a"]), "not numbers"),
        (np.ones((50, 6, 5, 2), np.uint8), "the last axis of images must be 1 .grey. or 3 .RGB."),
        (np.full((50, 6, 5), 200.0), "runs from 200 to 200; images are integers from 0 to 255 or floats from 0 to 1"),
        (np.full((50, 6, 5), -1), "runs from -1 to -1"),
        (np.where(np.arange(100).reshape(50, 2) == 7, np.nan, 0.0), r"the value at \[3, 1\] is nan"),
        (np.full((50, 2), 1e300), "the value at .* is inf"),
        (np.ones((0, 3)), "is empty"),
    ],
)
def test_arrays_that_cannot_be_trained_on(tmp_path: Path, array: Array, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x.npy")


def test_pickled_objects_sequences_and_wrong_archives(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects"):
        read(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"x\.npy"):
        read(tmp_path / "x.npy")
    np.save(tmp_path / "s.npy", np.zeros((50, 5, 2)))
    assert read(tmp_path / "s.npy", kind="sequence").inputs.shape == (50, 5, 2)
    np.save(tmp_path / "v.npy", np.zeros((50, 5)))
    with pytest.raises(DataError, match=r"shape \(50, 5\); .*with input\.kind=sequence, \(n, steps, features\)"):
        read(tmp_path / "v.npy", kind="sequence")
    np.savez(tmp_path / "z.npz", data=np.zeros((50, 2)))
    with pytest.raises(DataError, match=r"must hold an array named x .*it holds data"):
        read(tmp_path / "z.npz")
    np.savez(tmp_path / "z.npz", x=np.zeros((50, 2)), y=np.zeros(50))
    with pytest.raises(BadSetting, match=r"holds labels \(y\), so data\.label must not be set"):
        read(tmp_path / "z.npz", label="0")
    np.savez(tmp_path / "z.npz", x=np.zeros((50, 2)), y=np.zeros(49))
    with pytest.raises(DataError, match=r"y has shape \(49,\) for 50 items"):
        read(tmp_path / "z.npz")


# -- tables ----------------------------------------------------------------------------------------------------


def test_a_table_with_a_label(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.csv")
    data = read(path, label="kind")
    assert (data.inputs.shape, data.class_names) == ((60, 13), ("high", "low"))
    assert data.columns == tuple(f"c{i}" for i in range(13))
    with path.open() as file:
        second = list(csv.reader(file))[2]
    np.testing.assert_allclose(data.inputs[1], [float(cell) for cell in second[:13]], rtol=1e-6)
    assert read(path, label="-1").class_names == ("high", "low")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_marks_and_blank_lines(tmp_path: Path, delimiter: str) -> None:
    rows = ["\ufeffa,b", "1,2", "", "3,4"]
    (tmp_path / "t.csv").write_text("\r\n".join(rows).replace(",", delimiter), encoding="utf-8")
    data = read(tmp_path / "t.csv")
    assert data.columns == ("a", "b")
    np.testing.assert_array_equal(data.inputs, [[1, 2], [3, 4]])


def test_a_table_in_another_encoding_is_called_that(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n", encoding="utf-16")
    with pytest.raises(DataError, match="is UTF-16; expected UTF-8"):
        read(tmp_path / "t.csv")


def test_a_table_without_a_header_has_numbered_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,2,7\n3,4,8\n")
    data = read(tmp_path / "t.csv", label="2")
    assert (data.columns, data.class_names) == (("0", "1"), ("7", "8"))
    np.testing.assert_array_equal(data.inputs, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("a,b\n1,2\n3,x\n", None, r"row 3, column 'b': expected a finite number, got 'x' \(a label is set by"),
        ("a,b\n1,2\n3,nan\n", None, r"row 3, column 'b': expected a finite number, got 'nan'"),
        ("a,b\n1,2\n-inf,1\n", None, r"row 3, column 'a': expected a finite number, got '-inf'"),
        ("a,b\n1,2\n\n3,\n", None, r"row 4, column 'b': expected a finite number, got an empty cell"),
        ("a,b\n1,1e99\n", None, r"row 2, column 'b': expected a finite number, got '1e99'"),
        ("a,b\n1,1_0\n", None, r"row 2, column 'b': expected a finite number, got '1_0'"),
        ("a,b\n1,2\n1,2,3\n", None, r"row 3: 3 cells; expected 2"),
        ("a,b\n1\n", None, r"row 2: 1 cells; expected 2"),
        ("a,a\n1,2\n", None, "the column name 'a' occurs twice"),
        ("a,b\n", None, "has a header but no rows"),
        ("", None, "is empty"),
        ("a,b\n1,2\n", "c", r"has no column 'c' for data\.label; there are a, b"),
        ("width,b\n1,2\n", "widht", r"did you mean width\?"),
        ("a\n1\n", "a", "has no column beside the label"),
        ("a,b\n1, \n", "b", r"row 2, column 'b': expected a label, got an empty cell"),
        ("a,b\n1,\xff\n", None, "cannot be read as CSV"),
    ],
)
def test_tables_that_cannot_be_trained_on(tmp_path: Path, text: str, label: str | None, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.csv", label=label)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": [0.5, 1.5], "kind": ["y", "x"]}), path)
    data = read(path, label="kind")
    assert (data.columns, data.class_names) == (("a", "b"), ("x", "y"))
    np.testing.assert_array_equal(data.inputs, np.array([[1, 0.5], [2, 1.5]], np.float32))


@pytest.mark.parametrize(
    ("columns", "label", "message"),
    [
        ({"a": [1.0, None]}, None, r"row 2, column 'a': expected a finite number, got an empty cell"),
        ({"a": [1.0, float("nan")]}, None, r"row 2, column 'a': expected a finite number, got nan"),
        ({"a": ["x", "y"]}, None, r"column 'a': expected numbers, got string \(a label is set by data\.label=a\)"),
        ({"a": [1.0, 2.0], "k": ["x", None]}, "k", r"row 2, column 'k': the label is missing"),
        ({"a": pa.array([], pa.float64())}, None, "has no rows"),
    ],
)
def test_parquet_that_cannot_be_trained_on(
    tmp_path: Path, columns: dict[str, Any], label: str | None, message: str
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=message):
        read(path, label=label)
    path.write_bytes(b"no table")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read(path, label=label)


def test_a_label_has_few_values(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(1200, 2)))
    with pytest.raises(DataError, match="the label has 1200 different values; a label has at most 1000"):
        read(tmp_path / "x.npy", label="0")


def test_hidden_directories_hold_no_pictures(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures")
    (folder / ".thumbnails").mkdir()
    (folder / ".thumbnails" / "x.png").write_bytes(b"junk")
    names = read(folder).class_names
    assert names is not None
    assert not [name for name in names if name.startswith(".")]


def test_a_column_of_measurements_is_no_label(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "\n".join(f"{i},{i / 7}" for i in range(60)))
    with pytest.raises(DataError, match="60 different values in 60 items"):
        read(path, label="b")
