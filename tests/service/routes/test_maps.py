"""GET …/map: held-out items, their codes and coordinates, in every media type; and for which versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from model_store import ModelStore
from model_store.heldout import Heldout, read_heldout
from model_store.prior import read_prior
from model_store.verify import HELDOUT, PRIOR
from tests.service.stores import flip_a_byte, models, states
from tests.service.wire import close, read_json, read_npy, read_npz, read_png
from tests.support.affine import AFFINE, HELDOUT_ITEMS
from tests.support.problems import assert_problem
from tests.support.publisher import republish
from tests.support.server import RunningServer, running_server

NPZ = {"Accept": "application/x-npz"}
NPY = {"Accept": "application/x-npy"}
PNG = {"Accept": "image/png"}
PICTURES = ["image", "rgb", "conditional"]


def held(store: ModelStore, name: str) -> Heldout:
    return read_heldout(store.directory(name, 1) / HELDOUT, store.manifest(name, 1))


@pytest.mark.parametrize("name", AFFINE)
def test_arrays_are_those_of_the_version(one: httpx.Client, affine_store: ModelStore, name: str) -> None:
    response = one.get(f"/models/{name}/map", headers=NPZ)
    assert response.headers["x-latent-model"] == f"{name}@1"
    arrays, whole = read_npz(response), held(affine_store, name)
    prior = read_prior(affine_store.directory(name, 1) / PRIOR, AFFINE[name].latent.dim)
    expected = {
        "codes": whole.codes,
        "coordinates": whole.coordinates,
        "inputs": whole.inputs,
        "prior.weights": prior.weights,
        "prior.means": prior.means,
        "prior.covariances": prior.covariances,
        **({} if whole.labels is None else {"labels": whole.labels}),
    }
    assert set(arrays) == {*expected, "projection.matrix", "projection.offset"}
    for field, array in expected.items():
        np.testing.assert_array_equal(arrays[field], array)
        assert arrays[field].dtype == array.dtype
    assert len(arrays["codes"]) == HELDOUT_ITEMS == 64
    assert ("labels" in arrays) == (name == "conditional")


@pytest.mark.parametrize("name", AFFINE)
def test_json_has_the_same_numbers(one: httpx.Client, affine_store: ModelStore, name: str) -> None:
    reply, arrays = read_json(one.get(f"/models/{name}/map")), read_npz(one.get(f"/models/{name}/map", headers=NPZ))
    assert (reply["model"], reply["items"]) == (f"{name}@1", 64)
    for field in ("codes", "coordinates"):
        np.testing.assert_array_equal(np.asarray(reply[field], np.float32), arrays[field])
    for field in ("projection", "prior"):
        for part, values in reply[field].items():
            np.testing.assert_array_equal(values, arrays[f"{field}.{part}"])
    names = AFFINE[name].input.class_names
    assert reply["class_names"] == (None if names is None else ["zero", "one", "two"])
    assert reply["labels"] == (None if names is None else arrays["labels"].tolist())
    if name in PICTURES:
        height, width, _ = held(affine_store, name).inputs.shape[1:]
        assert reply["sprite"] == {"columns": 8, "rows": 8, "width": width, "height": height, "items": 64}
        assert "inputs" not in reply
    else:
        assert reply["sprite"] is None
        np.testing.assert_array_equal(np.asarray(reply["inputs"], np.float32), held(affine_store, name).inputs)


def test_the_array_of_an_npy_reply_is_the_codes(one: httpx.Client, affine_store: ModelStore) -> None:
    codes = read_npy(one.get("/models/sequence/map", headers=NPY))
    np.testing.assert_array_equal(codes, held(affine_store, "sequence").codes)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("items", "columns", "rows"), [(64, 8, 8), (5, 3, 2), (1, 1, 1), (12, 4, 3)])
def test_the_sprite_is_every_picture_in_its_place(
    one: httpx.Client, affine_store: ModelStore, name: str, items: int, columns: int, rows: int
) -> None:
    path = f"/models/{name}/map?items={items}"
    pictures = read_npz(one.get(path, headers=NPZ))["inputs"]
    sheet = read_png(one.get(path, headers=PNG))
    height, width = pictures.shape[1:3]
    sprite = {"columns": columns, "rows": rows, "width": width, "height": height, "items": items}
    assert read_json(one.get(path))["sprite"] == sprite
    sheet = sheet.reshape(*sheet.shape[:2], -1)
    assert sheet.shape == (rows * height, columns * width, pictures.shape[3])
    places = [
        sheet[row * height :, column * width :][:height, :width] for row in range(rows) for column in range(columns)
    ]
    np.testing.assert_array_equal(places[:items], pictures)
    assert not np.any(places[items:])
    np.testing.assert_array_equal(pictures, held(affine_store, name).inputs[np.arange(items) * 64 // items])


@pytest.mark.parametrize("name", AFFINE)
def test_the_projection_puts_every_code_at_its_place(one: httpx.Client, name: str) -> None:
    """Three dimensions among them: `sequence` is drawn by the first two of its own."""
    arrays = read_npz(one.get(f"/models/{name}/map", headers=NPZ))
    matrix, offset = arrays["projection.matrix"], arrays["projection.offset"]
    d = AFFINE[name].latent.dim
    close(matrix, np.eye(2)[:, :1] if d == 1 else np.eye(2, d), atol=1e-6)
    close(offset, [0, 0], atol=1e-6)
    close(arrays["codes"] @ matrix.T + offset, arrays["coordinates"], atol=1e-6)


def test_fewer_items(one: httpx.Client, affine_store: ModelStore) -> None:
    reply = read_json(one.get("/models/conditional/map?items=4"))
    whole, chosen = held(affine_store, "conditional"), [0, 16, 32, 48]
    assert reply["items"] == 4
    np.testing.assert_array_equal(np.asarray(reply["codes"], np.float32), whole.codes[chosen])
    assert whole.labels is not None
    assert reply["labels"] == whole.labels[chosen].tolist()
    assert read_json(one.get("/models/conditional/map?items=65"))["items"] == 64


def test_without_inputs(one: httpx.Client) -> None:
    assert "inputs" not in read_json(one.get("/models/vector/map?inputs=false"))
    assert "inputs" in read_json(one.get("/models/vector/map?inputs=true"))
    for name in ("image", "vector"):
        assert "inputs" not in read_npz(one.get(f"/models/{name}/map?inputs=false", headers=NPZ))
    assert read_png(one.get("/models/image/map?inputs=false", headers=PNG)).shape == (32, 32)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("image/*", "image/png"),
        ("image/avif,image/webp,*/*;q=0.8", "application/json"),
        ("image/webp,image/*;q=0.9,*/*;q=0.8", "image/png"),
        ("application/x-npy, application/json;q=0.5", "application/x-npy"),
    ],
)
def test_the_type_is_what_accept_asks_for(one: httpx.Client, accept: str, kind: str) -> None:
    response = one.get("/models/image/map", headers={"Accept": accept})
    assert response.headers["content-type"] == kind
    assert response.headers["vary"] == "Accept"


def test_a_model_without_pictures_has_no_sprite(one: httpx.Client) -> None:
    for name in ("vector", "sequence"):
        response = one.get(f"/models/{name}/map", headers=PNG)
        body = assert_problem(response, 406, "not-acceptable")
        assert "application/x-npz" in body["detail"]
        assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("query", "slug", "loc"),
    [
        ("item=3", "unknown-option", "item"),
        ("model=image", "unknown-option", "model"),
        ("items=0", "invalid-value", "items"),
        ("items=all", "invalid-value", "items"),
        ("items=3&items=4", "invalid-value", "items"),
        ("inputs=maybe", "invalid-value", "inputs"),
    ],
)
def test_an_option_that_makes_no_sense(one: httpx.Client, query: str, slug: str, loc: str) -> None:
    for path in ("/models/image/map", "/models/image/versions/1/map"):
        assert assert_problem(one.get(f"{path}?{query}"), 422, slug)["errors"][0]["loc"] == [loc]


@pytest.mark.parametrize("path", ["/models/imag/map", "/models/image/versions/2/map", "/models/image/versions/one/map"])
def test_no_such_map(one: httpx.Client, path: str) -> None:
    assert_problem(one.get(path), 404, "unknown-model")


def test_a_map_is_no_larger_than_answers_may_be(tight: httpx.Client) -> None:
    """64 pictures of 6 × 4 × 3 bytes are 4,608, more than the 4,000 that are allowed; 55 of them are not."""
    body = assert_problem(tight.get("/models/rgb/map", headers=PNG), 422, "answer-too-large")
    assert body["errors"] == [{"loc": ["items"], "expected": "at most 4000 bytes", "got": "4608 bytes"}]
    assert read_png(tight.get("/models/rgb/map?items=55", headers=PNG)).shape == (7 * 6, 8 * 4, 3)
    assert read_json(tight.get("/models/rgb/map"))["items"] == 64


@pytest.fixture(scope="module")
def damaged_store(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Copies of `image`, each with something wrong but `sound`; `two` has a sound version 1 and a production 2."""
    store = ModelStore(tmp_path_factory.mktemp("maps") / "store")
    source = affine_store.directory("image", 1)
    for name in ("sound", "bad-engine", "bad-heldout", "lost-heldout", "bad-prior", "bad-manifest", "two", "two"):
        republish(store.path, name, source)
    store.promote("two@2")
    flip_a_byte(store.directory("bad-engine", 1) / "encoder" / "saved_model.pb")
    flip_a_byte(store.directory("bad-heldout", 1) / HELDOUT)
    (store.directory("lost-heldout", 1) / HELDOUT).unlink()
    flip_a_byte(store.directory("bad-prior", 1) / PRIOR)
    flip_a_byte(store.directory("bad-manifest", 1) / "manifest.json")
    return store


@pytest.fixture(scope="module")
def server(damaged_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(damaged_store.path, load="lazy") as running:
        yield running


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bad-heldout", "heldout.npz"),
        ("lost-heldout", "heldout.npz"),
        ("bad-prior", "prior.npz"),
        ("bad-manifest", "manifest.json"),
    ],
)
def test_a_map_that_cannot_be_read_says_why(server: RunningServer, name: str, says: str) -> None:
    for path in (f"/models/{name}/map", f"/models/{name}/versions/1/map"):
        response = server.http.get(path)
        assert says in assert_problem(response, 503, "not-ready")["detail"]
        assert "cache-control" not in response.headers
        assert response.headers["x-latent-model"] == f"{name}@1"


def test_an_engine_is_not_needed(server: RunningServer) -> None:
    assert_problem(server.http.post("/decode?model=bad-engine", json={"z": [[0, 0]]}), 503, "not-ready")
    assert states(models(server.http)["bad-engine"]) == {1: "failed"}
    assert read_json(server.http.get("/models/bad-engine/map"))["items"] == 64
    assert read_json(server.http.get("/models/sound/map"))["items"] == 64
    assert states(models(server.http)["sound"]) == {1: "available"}


def test_a_name_is_the_version_that_it_means(server: RunningServer) -> None:
    assert read_json(server.http.get("/models/two/map"))["model"] == "two@2"
    assert read_json(server.http.get("/models/two/versions/1/map"))["model"] == "two@1"


def test_a_map_that_the_client_has_is_not_read(damaged_store: ModelStore, tmp_path: Path) -> None:
    """A tag that it names is known without any file; `*` means whatever there is, and there is nothing."""
    store = ModelStore(tmp_path / "store")
    republish(store.path, "gone", damaged_store.directory("sound", 1))
    with running_server(store.path, load="lazy") as running:
        etag = running.http.get("/models/gone/map").headers["etag"]
    (store.directory("gone", 1) / HELDOUT).unlink()
    with running_server(store.path, load="lazy") as running:
        assert running.http.get("/models/gone/map", headers={"If-None-Match": etag}).status_code == 304
        for tag in ("*", '"another"'):
            response = running.http.get("/models/gone/map", headers={"If-None-Match": tag})
            assert_problem(response, 503, "not-ready")
