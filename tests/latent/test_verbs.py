"""The command's verbs, in this process and on a server, against answers known by hand."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_store import ModelStore
from model_store.arrays import UInt8
from tests.latent.conftest import Latent, command, environment
from tests.support.affine import AFFINE


@pytest.fixture(scope="module")
def server(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `latent serve` on a free port."""
    serving = subprocess.Popen(
        command("serve", "--port", "0", "--store", affine_store.path),
        cwd=tmp_path_factory.mktemp("server"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert serving.stdout is not None
    with serving.stdout:
        announced = serving.stdout.readline()
        address = next((word for word in announced.split() if word.startswith("http://")), announced)
        yield address
        serving.terminate()
        assert serving.wait() == 0


@pytest.fixture(params=["here", "server"])
def where(request: pytest.FixtureRequest, store: Path) -> list[str]:
    """Options that say who answers: each test that takes them holds for both."""
    if request.param == "here":
        return ["--store", str(store)]
    return ["--url", request.getfixturevalue("server")]


def pixels(name: str) -> UInt8:
    """Grey pixels (h, w)."""
    with Image.open(name) as image:
        return np.asarray(image.convert("L"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_encode_prints_json_down_a_pipe(latent: Latent, where: list[str], grey: Path) -> None:
    answer = latent("encode", "image", grey, *where).document
    np.testing.assert_allclose(answer["z"], [[4 * 0.2 - 2, 4 * 0.6 - 2]], atol=1e-6)
    assert answer["z_mean"] == answer["z"]
    np.testing.assert_allclose(answer["z_log_var"], [[-2.0, -1.0]])
    assert answer["model"] == "image@1"


def test_a_table_is_matched_by_the_names_of_its_columns(latent: Latent, where: list[str], table: Path) -> None:
    assert latent("encode", "vector", table, "-o", "codes.csv", *where).out == "codes.csv: 2 × 2 from vector@1\n"
    assert rows(Path("codes.csv")) == [{"z_0": "0.0", "z_1": "0.0"}, {"z_0": "1.0", "z_1": "-1.0"}]
    latent("decode", "vector", "codes.csv", "-o", "back.csv", *where)
    last = rows(Path("back.csv"))[-1]
    assert list(last.items()) == [("width", "12.0"), ("height", "16.0"), ("depth", "30.0")]


def test_reconstruct_scores_each_row(latent: Latent, where: list[str], table: Path) -> None:
    latent("reconstruct", "vector", table, "-o", "scores.csv", *where)
    first, second = rows(Path("scores.csv"))
    assert (first["depth"], float(first["mse"]), first["is_anomaly"]) == ("30.0", 0.0, "0")
    assert float(second["mse"]) == pytest.approx(1.0 / 3.0)  # depth is one deviation off, of three columns


def test_arrays_go_in_and_out(latent: Latent, where: list[str]) -> None:
    x = np.random.default_rng(0).normal(size=(5, 5, 2)).astype(np.float32)
    np.save("items.npy", x)
    np.savez("items.npz", other=np.zeros(3), x=x)
    for name in ("items.npy", "items.npz"):
        latent("encode", "sequence", name, "-o", "codes.npy", *where)
        np.testing.assert_allclose(np.load("codes.npy"), AFFINE["sequence"].encode(x)[0], atol=1e-6)
    latent("reconstruct", "sequence", "items.npy", "-o", "all.npz", *where)
    with np.load("all.npz") as arrays:
        np.testing.assert_allclose(arrays["outputs"], AFFINE["sequence"].reconstruct(x), atol=1e-6)
        assert arrays["metrics.mse"].shape == (5,)
        assert arrays["anomaly.threshold"].shape == ()
        assert str(arrays["model"]) == "sequence@1"


def test_what_one_verb_writes_the_next_one_reads(latent: Latent, where: list[str], grey: Path) -> None:
    latent("encode", "image", grey, "-o", "codes.json", *where)
    latent("decode", "image", "codes.json", "-o", "decoded.npy", *where)
    decoded = np.load("decoded.npy")
    np.testing.assert_allclose(decoded[0, 0, :, 0], [0.2, 0.2, 0.6, 0.6], atol=1e-6)


def test_json_after_a_byte_order_mark(latent: Latent, where: list[str]) -> None:
    Path("marked.json").write_bytes(b'\xef\xbb\xbf{"z": [[0, 0]]}')
    latent("decode", "image", "marked.json", "-o", "decoded.npy", *where)
    np.testing.assert_allclose(np.load("decoded.npy").ravel(), 0.5)
    Path("other.json").write_text('{"z": [[0, 0]]}', encoding="utf-16")
    refused = latent("decode", "image", "other.json", *where)
    assert (refused.code, refused.err) == (2, "latent: other.json is UTF-16; expected UTF-8: save it as that\n")


def test_a_picture_whose_metadata_is_odd(latent: Latent, where: list[str]) -> None:
    Path("odd").mkdir()
    for name in ("a", "b"):
        Image.new("L", (4, 4), 51).save(f"odd/{name}.png", dpi=(72, 72))
    plain = Path("odd/a.png").read_bytes()
    text = b"Comment\0\0" + zlib.compress(bytes(4 << 20))
    chunk = struct.pack(">I4s", len(text), b"zTXt") + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    Path("odd/b.png").write_bytes(plain[:33] + chunk + plain[33:])
    assert latent("encode", "image", "odd", "-o", "codes.npy", *where).code == 0
    codes = np.load("codes.npy")
    np.testing.assert_array_equal(codes[0], codes[1])


def test_pictures(latent: Latent, where: list[str], grey: Path) -> None:
    assert latent("reconstruct", "image", grey, "--scale", 2, "-o", "both.png", *where).code == 0
    over = pixels("both.png")
    assert over.shape == (16, 8)
    np.testing.assert_array_equal(over[8:, 0], over[:8, 0])
    Image.fromarray(np.zeros((4, 4), np.uint8)).save("black.bmp")
    latent("interpolate", "image", grey, "black.bmp", "--steps", 5, "-o", "morph.gif", *where)
    with Image.open("morph.gif") as morph:
        assert getattr(morph, "n_frames", 1) >= 5
    latent("sample", "image", "-n", 4, "--seed", 1, "-o", "four.png", *where)
    assert pixels("four.png").shape == (8, 8)


def test_interpolating_codes(latent: Latent, where: list[str]) -> None:
    np.save("codes.npy", np.array([[0.0], [2.0]]))
    answer = latent("interpolate", "plain-vector", "codes.npy", "--codes", "--method", "lerp", "--steps", 3, *where)
    np.testing.assert_allclose(answer.document["outputs"], [[0, 0], [1, 1], [2, 2]], atol=1e-6)
    assert answer.document["t"] == [0.0, 0.5, 1.0]


def test_sampling_is_repeated_by_its_seed_here_and_there(latent: Latent, store: Path, server: str) -> None:
    options = ["-n", "3", "--seed", "7", "--labels", "two,0,one"]
    here = latent("sample", "conditional", *options, "--store", store).document
    there = latent("sample", "conditional", *options, "--url", server).document
    assert here["z"] == there["z"]
    assert here["seed"] == 7
    expected = AFFINE["conditional"].decode(np.array(here["z"]), np.array([2, 0, 1]))
    np.testing.assert_allclose(here["outputs"], expected.clip(0, 1), atol=1e-6)


def test_manifold(latent: Latent, where: list[str]) -> None:
    latent("manifold", "plain-vector", "-n", 3, "--spacing", "linear", "--extent", 2, "-o", "grid.csv", *where)
    values = [[float(number) for number in row.values()] for row in rows(Path("grid.csv"))]
    np.testing.assert_allclose(values, [[-2, -2], [0, 0], [2, 2]], atol=1e-6)
    latent("manifold", "image", "-n", 2, "--dims", "1,0", "--z", "0,0", "-o", "grid.png", *where)
    assert pixels("grid.png").shape == (8, 8)


def test_more_items_than_a_server_takes_at_once(latent: Latent, where: list[str]) -> None:
    x = np.random.default_rng(0).normal(size=(3000, 2))
    np.save("many.npy", x)
    latent("encode", "plain-vector", "many.npy", "-o", "codes.npy", *where)
    np.testing.assert_allclose(np.load("codes.npy"), x.mean(axis=1, keepdims=True), atol=1e-6)


def test_both_engines_answer_alike(latent: Latent, store: Path, grey: Path) -> None:
    answers = [
        latent("encode", "image", grey, "--engine", engine, "--store", store).document
        for engine in ("openvino", "tensorflow")
    ]
    np.testing.assert_allclose(answers[0]["z"], answers[1]["z"], atol=1e-6)


# -- what is wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("width,height,depth\n1,2,3\n1,x,3\n", "bad.csv, row 3, column 'height': expected a finite number, got 'x'"),
        ("width,height,depth\n1,nan,3\n", "bad.csv, row 2, column 'height': expected a finite number, got 'nan'"),
        ("width,height,depth\n1,,3\n", "bad.csv, row 2, column 'height': expected a finite number, got an empty cell"),
        ("width,height,depth\n1,2\n", "bad.csv, row 2: 2 cells; expected 3, as in the first row"),
        ("width,height\n1,2\n", "bad.csv lacks the column 'depth' (the model's are width, height, depth)"),
        ("width,height,depth\n", "bad.csv holds no items"),
        ("", "bad.csv is empty"),
    ],
)
def test_tables_that_are_refused(latent: Latent, store: Path, content: str, complaint: str) -> None:
    Path("bad.csv").write_text(content, encoding="utf-8")
    assert latent("encode", "vector", "bad.csv", "-o", "codes.npy", "--store", store).complaint == complaint
    assert not Path("codes.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["encode", "imag", "grey.png"], "unknown model 'imag'; did you mean image?"),
        (["encode", "image"], "missing argument 'FILES...'"),
        (["encode", "image", "none.png"], "none.png cannot be read (no such file or directory)"),
        (["encode", "image", "broken.png"], "broken.png: the bytes are no complete image"),
        (["encode", "image", "grey.png", "items.npy"], "grey.png is a picture and items.npy is none"),
        (
            ["encode", "image", "items.npy"],
            "the inputs do not have the model's shape (expected (n, 4, 4, 1), got (2, 3))",
        ),
        (["encode", "vector", "grey.png"], "takes"),
        (["encode", "image", "pickled.npy"], "pickled.npy cannot be read as arrays"),
        (["encode", "vector", "two.npz"], "two.npz has a, b, but none called x or inputs or outputs"),
        (["encode", "vector", "table.json"], "table.json is not JSON"),
        (["encode", "image", "grey.png", "-o", "codes.png"], "codes.png: the output's name must end in .npy"),
        (["sample", "image", "-o", "sheet.gif"], "sheet.gif: the output's name must end in .npy"),
        (["sample", "image", "-o", "none/sheet.png"], "none/sheet.png: there is no directory none"),
        (["sample", "vector", "-o", "sheet.png"], "vector answers vectors, no pictures"),
        (["sample", "image", "-o", "sheet.csv"], "image answers images, which a table cannot hold"),
        (["sample", "image", "--seed", "-1"], "seed must be at least 0, not -1"),
        (["sample", "image", "-n", "many"], "invalid value for '-n'"),
        (["sample", "image", "--prior", "flat"], "invalid value for '--prior'"),
        (["sample", "image", "--labels", "two"], "label"),
        (["sample", "conditional"], "it needs labels"),
        (["sample", "conditional", "--labels", "nine"], "nine"),
        (["manifold", "image", "--dims", "a,b"], "--dims takes integers separated by commas, not 'a,b'"),
        (["manifold", "image", "--dims", "0,7"], "dims"),
        (["decode", "image", "items.npy"], "(n, 2)"),
        (["decode", "image", "grey.png"], "grey.png: codes are read from .npy, .npz, .csv, .parquet, .json"),
        (["interpolate", "image", "grey.png"], "2"),
        (["sample", "image", "--url", "http://127.0.0.1:9"], "no answer from http://127.0.0.1:9/sample?model=image"),
        (["sample", "image", "--url", "nonsense"], "base_url 'nonsense' must look like http://host:port"),
    ],
)
def test_what_is_wrong_is_one_line(
    latent: Latent, store: Path, grey: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    Path("broken.png").write_bytes(grey.read_bytes()[:45])
    np.save("items.npy", np.zeros((2, 3)))
    np.save("pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez("two.npz", a=np.zeros(3), b=np.zeros(3))
    Path("table.json").write_text("{")
    before = sorted(tmp_path.iterdir())
    assert complaint in latent(*arguments, "--store", store).complaint
    assert sorted(tmp_path.iterdir()) == before


def test_a_failure_leaves_the_old_file(latent: Latent, store: Path) -> None:
    Path("sheet.csv").write_text("old")
    latent("sample", "image", "-o", "sheet.csv", "--store", store)
    assert Path("sheet.csv").read_text() == "old"
    assert [path.name for path in Path.cwd().iterdir()] == ["sheet.csv"]


def test_a_server_says_what_is_wrong(latent: Latent, server: str) -> None:
    assert "404" in latent("sample", "nope", "--url", server).complaint
    assert "image has no version 9 (it has 1)" in latent("sample", "image@9", "-o", "x.csv", "--url", server).complaint
    assert latent("sample", "image@trial", "-o", "x.png", "--url", server).complaint == f"{server} has no image@trial"


def test_the_json_of_a_server_is_the_json_of_here(latent: Latent, store: Path, server: str, table: Path) -> None:
    here = latent("reconstruct", "vector", table, "--store", store).document
    there = latent("reconstruct", "vector", table, "--url", server).document
    assert json.dumps(here) == json.dumps(there)
    assert list(here) == ["outputs", "z", "metrics", "anomaly", "error_map", "model"]
