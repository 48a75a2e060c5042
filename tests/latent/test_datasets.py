"""Reading data sets in chunks: the file's items in the file's order, for any chunk size."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from latent.datasets import Chunk, Dataset, Wanted, codes_wanted, open_dataset, whole
from latent.errors import CommandError
from model_store.arrays import UInt8

ANY = Wanted(("x", "inputs", "outputs"), lambda _: None)


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def numbers(dataset: Dataset, size: int = 3) -> NDArray[Any]:
    """All items, read `size` at a time."""
    parts = list(dataset.chunks(size))
    assert [part.start for part in parts] == np.cumsum([0, *map(len, parts)])[:-1].tolist()
    assert all(1 <= len(part) <= size for part in parts)
    arrays = [np.asarray(part.items) for part in parts]
    return np.concatenate(arrays)


def labels(dataset: Dataset) -> list[str]:
    return [label for part in dataset.chunks(3) for label in part.labels or ()]


def complaint(name: str, wanted: Wanted = ANY) -> str:
    """What opening, or reading to the end, says."""
    with pytest.raises(CommandError) as raised:
        whole(open_dataset(Path(name), wanted))
    return str(raised.value)


def table(**columns: Iterable[object]) -> Any:  # noqa: ANN401 - pyarrow publishes no types
    return pa.table({name: list(values) for name, values in columns.items()})


def write_idx(path: Path, array: UInt8, *, zipped: bool = False) -> None:
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if zipped else content)


# -- arrays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<f2", "<f4", ">f4", "<f8", "<i4"])
def test_npy_of_any_type_and_order(dtype: str, order: str) -> None:
    x = np.arange(7 * 2 * 5).reshape(7, 2, 5).astype(dtype)
    np.save("x.npy", np.asfortranarray(x) if order == "F" else x)
    opened = open_dataset(Path("x.npy"), ANY)
    assert opened.count == 7
    assert next(opened.chunks(7)).items.dtype == np.dtype(dtype)  # type: ignore[union-attr]  # no pictures
    np.testing.assert_array_equal(numbers(opened), x)


@pytest.mark.parametrize(("order", "rows", "width"), [("C", 160_000, 1000), ("F", 1_600_000, 100)])
def test_pages_that_were_read_are_given_back(order: str, rows: int, width: int) -> None:
    with Path("sparse.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": order == "F", "shape": (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * width)
    before, most = _resident_bytes(), 0
    for chunk in open_dataset(Path("sparse.npy"), ANY).chunks(4000):
        assert not np.asarray(chunk.items).any()
        most = max(most, _resident_bytes())
    assert most - before < 64 << 20  # of 153 MiB that were read


def _resident_bytes() -> int:
    return psutil.Process().memory_info().rss


def test_npz_as_training_reads_it() -> None:
    x = np.arange(20.0).reshape(5, 4)
    np.savez("named.npz", y=np.array([3.0, 1.0, 4.0, 1.0, 5.0]), other=np.zeros(2), x=x)
    np.savez("single.npz", anything=np.asfortranarray(x))
    np.savez_compressed("split.npz", x_test=x[3:], x_train=x[:3], y_train=[1, 2, 3], y_test=[4, 5])
    for name, texts in (("named", list("31415")), ("single", []), ("split", list("12345"))):
        opened = open_dataset(Path(f"{name}.npz"), ANY)
        assert (opened.count, opened.labelled) == (5, bool(texts))
        np.testing.assert_array_equal(numbers(opened), x)
        assert labels(opened) == texts


def test_idx_plain_and_zipped_training_before_test() -> None:
    digits = np.random.default_rng(0).integers(0, 256, (7, 4, 4), np.uint8)
    Path("idx").mkdir()
    write_idx(Path("idx/t10k-images-idx3-ubyte"), digits[5:])
    write_idx(Path("idx/train-images-idx3-ubyte.gz"), digits[:5], zipped=True)
    unlabelled = open_dataset(Path("idx"), ANY)
    assert (unlabelled.count, unlabelled.labelled, labels(unlabelled)) == (7, False, [])
    np.testing.assert_array_equal(numbers(unlabelled), digits)
    write_idx(Path("idx/t10k-labels-idx1-ubyte.gz"), np.array([8, 9], np.uint8), zipped=True)
    write_idx(Path("idx/train-labels-idx1-ubyte"), np.arange(5, dtype=np.uint8))
    labelled = open_dataset(Path("idx"), ANY)
    assert labels(labelled) == list("0123489")
    np.testing.assert_array_equal(numbers(labelled), digits)


# -- tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_with_and_without_a_header(delimiter: str) -> None:
    rows = [["1", "2.5"], ["-3e2", " 4 "], ["5", "6"], ["7", "8"]]
    text = "\n".join(delimiter.join(row) for row in rows[:2]) + "\n\n" + "\n".join(map(delimiter.join, rows[2:]))
    Path("bare.csv").write_text(text, encoding="utf-8")
    Path("named.csv").write_text(f"\ufeffa{delimiter}b\n{text}\n", encoding="utf-8")
    for name in ("bare.csv", "named.csv"):
        opened = open_dataset(Path(name), ANY)
        assert opened.count is None
        np.testing.assert_array_equal(numbers(opened), [[1, 2.5], [-300, 4], [5, 6], [7, 8]])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_csv_in_another_encoding_is_called_that(encoding: str) -> None:
    Path("other.csv").write_text("a,b\n1,2\n", encoding=encoding)
    said = complaint("other.csv")
    assert said.startswith(f"other.csv is {encoding[:6].upper()}")
    assert said.endswith("; expected UTF-8: save it as that")


@pytest.mark.parametrize("label", ["kind", "1", "-2"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_label_column_by_name_or_number(suffix: str, label: str) -> None:
    if suffix == "csv":
        Path("t.csv").write_text("a,kind,b\n1,x_1,2\n3,y,4\n")
    else:
        parquet.write_table(table(a=[1, 3], kind=["x_1", "y"], b=[2.0, 4.0]), "t.parquet")
    opened = open_dataset(Path(f"t.{suffix}"), Wanted(("x",), lambda _: None, label))
    np.testing.assert_array_equal(numbers(opened), [[1, 2], [3, 4]])
    assert (opened.labelled, labels(opened)) == (True, ["x_1", "y"])


def test_columns_in_the_order_that_is_wanted() -> None:
    Path("t.csv").write_text("note,b,a\nhello,2,1\nthere,4,3\n")
    parquet.write_table(table(note=["hello", "there"], b=[2, 4], a=[1, 3]), "t.parquet")
    for name in ("t.csv", "t.parquet"):
        opened = open_dataset(Path(name), Wanted(("x",), lambda _: ["a", "b"]))
        np.testing.assert_array_equal(numbers(opened), [[1, 2], [3, 4]])


@pytest.mark.parametrize("rows_of_a_group", [2, 5, 100])
def test_parquet_across_row_groups(rows_of_a_group: int) -> None:
    x = np.random.default_rng(0).normal(size=(11, 2))
    parquet.write_table(table(a=x[:, 0], b=x[:, 1]), "t.parquet", row_group_size=rows_of_a_group)
    opened = open_dataset(Path("t.parquet"), ANY)
    assert opened.count == 11
    np.testing.assert_array_equal(numbers(opened, 4), x)


def test_codes_are_found_by_their_names() -> None:
    codes = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    header = "file,label,z_1,z_0,z_10,z_2"
    rows = [f"{at}.png,two,{z[1]},{z[0]},{z[3]},{z[2]}" for at, z in enumerate(codes)]
    Path("codes.csv").write_text("\n".join([header, *rows]))
    for name, kind in (("fixed", pa.list_(pa.float32(), 4)), ("free", pa.list_(pa.float32()))):
        columns = {"z_mean": pa.array(codes.tolist(), kind), "z_log_var": codes.tolist(), "label": ["two"] * 3}
        parquet.write_table(pa.table(columns), f"{name}.parquet")
    for name in ("codes.csv", "fixed.parquet", "free.parquet"):
        opened = open_dataset(Path(name), codes_wanted())
        np.testing.assert_array_equal(numbers(opened, 2), codes)
        assert labels(opened) == ["two"] * 3


# -- pictures ----------------------------------------------------------------------------------------------


def test_pictures_in_the_order_of_their_paths() -> None:
    for name in ("b/2.png", "a/10.bmp", "a/9.jpg", ".hidden/1.png", "a/.3.png", "a/notes.txt"):
        Path("set", name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2)).save(Path("set", name)) if not name.endswith("txt") else Path("set", name).touch()
    opened = open_dataset(Path("set"), ANY)
    parts: list[Chunk] = list(opened.chunks(2))
    assert [name for part in parts for name in part.files or ()] == ["a/10.bmp", "a/9.jpg", "b/2.png"]
    assert [part.items for part in parts] == [[Path("set/a/10.bmp"), Path("set/a/9.jpg")], [Path("set/b/2.png")]]
    assert (opened.count, labels(opened)) == (3, ["a", "a", "b"])
    Image.new("L", (2, 2)).save("set/outside.png")
    assert (open_dataset(Path("set"), ANY).count, open_dataset(Path("set"), ANY).labelled) == (4, False)


# -- what is wrong -----------------------------------------------------------------------------------------


def test_arrays_that_are_refused() -> None:
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save("records.npy", np.zeros(3, [("a", "f4")]))
    np.save("words.npy", np.array(["a", "b"]))
    np.save("scalar.npy", np.float32(3))
    np.save("none.npy", np.zeros((0, 4)))
    np.save("whole.npy", np.zeros((10, 4)))
    Path("short.npy").write_bytes(Path("whole.npy").read_bytes()[:-1])
    Path("text.npy").write_text("hello")
    Path("empty.npy").write_bytes(b"")
    assert complaint("objects.npy") == "objects.npy cannot be read as arrays of numbers (it holds Python objects)"
    assert complaint("records.npy") == "records.npy cannot be read as arrays of numbers (it holds [('a', '<f4')])"
    assert "(it holds <U1)" in complaint("words.npy")
    assert complaint("scalar.npy") == "scalar.npy holds a single number, no items"
    assert complaint("none.npy") == "none.npy holds no items"
    assert complaint("short.npy") == "short.npy is cut short: its header announces 320 bytes, 319 follow it"
    assert complaint("text.npy").startswith("text.npy cannot be read as arrays (")
    assert complaint("empty.npy").startswith("empty.npy cannot be read as arrays (")
    assert complaint("nowhere.npy") == "nowhere.npy cannot be read (no such file or directory)"
    assert complaint("whole.txt").startswith("whole.txt is no data set: expected a directory, .npy, ")
    label = Wanted(("x",), lambda _: None, "kind")
    assert complaint("whole.npy", label) == "--label-column names a column of a table, but whole.npy is none"


def test_archives_that_are_refused() -> None:
    np.savez("two.npz", a=np.zeros(3), b=np.zeros(3))
    np.savez("labels.npz", x=np.zeros((3, 2)), y=np.zeros(2))
    np.savez("uneven.npz", x_train=np.zeros((3, 2)), x_test=np.zeros((3, 3)))
    np.savez("objects.npz", x=np.array([{}], dtype=object))
    np.savez("damaged.npz", x=np.arange(1000.0).reshape(10, 100))
    content = bytearray(Path("damaged.npz").read_bytes())
    content[len(content) // 2] ^= 255
    Path("damaged.npz").write_bytes(content)
    Path("text.npz").write_text("hello")
    assert complaint("two.npz") == "two.npz has a, b, but none called x or inputs or outputs"
    assert complaint("labels.npz") == "labels.npz holds 2 labels for 3 items"
    assert complaint("uneven.npz") == "uneven.npz: x_train and x_test must hold items of one shape"
    assert "Python objects" in complaint("objects.npz")
    assert complaint("damaged.npz").startswith("damaged.npz cannot be read to its end (")
    assert complaint("text.npz").startswith("text.npz cannot be read as arrays (")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n3,x\n", "t.csv, row 3, column 'b': expected a finite number, got 'x'"),
        ("a,b\n1,2\n3,1_0\n", "t.csv, row 3, column 'b': expected a finite number, got '1_0'"),
        ("a,b\n1,2\n\n3,-inf\n", "t.csv, row 4, column 'b': expected a finite number, got '-inf'"),
        ("a,b\n1,2\n3, \n", "t.csv, row 3, column 'b': expected a finite number, got an empty cell"),
        ("a,b\n1,2\n3\n", "t.csv, row 3: 1 cells; expected 2, as in the first row"),
        ("a,a\n1,2\n", "t.csv: the column name 'a' occurs twice"),
        ("a,b\n", "t.csv holds no items"),
        ("", "t.csv is empty"),
        ('a,b\n1,"2\n', "t.csv cannot be read as CSV (unexpected end of data)"),
    ],
)
def test_text_that_is_refused(content: str, expected: str) -> None:
    Path("t.csv").write_text(content)
    assert complaint("t.csv") == expected


def test_parquet_that_is_refused() -> None:
    parquet.write_table(table(a=[1.0, 2.0, None], b=[1.0, 2.0, 3.0]), "null.parquet", row_group_size=1)
    parquet.write_table(table(a=[1.0, 2.0], b=[1.0, math.inf]), "inf.parquet")
    parquet.write_table(table(a=[1.0], b=["x"]), "text.parquet")
    parquet.write_table(table(z_mean=[[1.0, 2.0], [1.0]]), "ragged.parquet")
    parquet.write_table(table(a=[1.0], kind=[None]), "label.parquet")
    parquet.write_table(pa.table({"a": pa.array([], pa.float64())}), "none.parquet")
    Path("broken.parquet").write_text("hello")
    row = "expected a finite number"
    assert complaint("null.parquet") == f"null.parquet, row 3, column 'a': {row}, got an empty cell"
    assert complaint("inf.parquet") == f"inf.parquet, row 2, column 'b': {row}, got inf"
    assert complaint("text.parquet") == "text.parquet, column 'b': expected numbers, got string"
    ragged = complaint("ragged.parquet", codes_wanted())
    assert ragged == "ragged.parquet, row 2, column 'z_mean': 1 numbers; expected 2"
    missing = complaint("label.parquet", Wanted(("x",), lambda _: None, "kind"))
    assert missing == "label.parquet, row 1, column 'kind': expected a label, got an empty cell"
    near = complaint("label.parquet", Wanted(("x",), lambda _: None, "kinds"))
    assert near == "label.parquet has no column 'kinds' for --label-column; did you mean kind?"
    assert complaint("none.parquet") == "none.parquet holds no items"
    assert complaint("broken.parquet") == "broken.parquet cannot be read as Parquet"
    assert complaint("nowhere.parquet") == "nowhere.parquet cannot be read (no such file or directory)"


def test_directories_that_are_refused() -> None:
    for name in ("empty", "cut", "words", "uneven"):
        Path(name).mkdir()
    write_idx(Path("cut/train-images"), np.zeros((3, 2, 2), np.uint8))
    with Path("cut/train-images").open("r+b") as file:
        file.truncate(20)
    Path("words/train-images").write_text("hello there")
    write_idx(Path("uneven/train-images"), np.zeros((3, 2, 2), np.uint8))
    write_idx(Path("uneven/train-labels"), np.zeros(2, np.uint8))
    assert complaint("empty").startswith("empty holds no pictures (.")
    assert complaint("cut") == "cut/train-images is cut short: it holds less than it announces"
    assert complaint("words") == "words/train-images is no IDX file of unsigned bytes"
    assert complaint("uneven") == "uneven/train-labels does not hold one label for each of 3 images"
