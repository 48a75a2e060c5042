"""POST /decode against the affine truth: arrays, pictures, and outputs that are encoded again."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import pytest

from tests.service.wire import NPY, close, halves, npy, read_json, read_npy, read_npz, read_pixels, read_png
from tests.support.affine import AFFINE
from tests.support.problems import assert_problem


@pytest.mark.parametrize("model", sorted(AFFINE))
@pytest.mark.parametrize("n", [1, 5, 70])
def test_outputs_are_the_truth(http: httpx.Client, model: str, n: int) -> None:
    """Clipped to [0, 1] for pictures, in its own units for a table."""
    affine = AFFINE[model]
    z = np.random.default_rng(n).normal(size=(n, affine.latent.dim)).astype(np.float32)
    labels = [i % 3 for i in range(n)] if affine.input.conditional else None
    reply = read_json(http.post("/decode", params={"model": model}, json={"z": z.tolist(), "labels": labels}))
    outputs = affine.decode(z, np.array(labels) if labels else None)
    if affine.input.kind == "image":
        outputs = outputs.clip(0, 1)
    if model == "vector":
        outputs = outputs * (2.0, 4.0, 5.0) + (10.0, 20.0, 30.0)
    assert list(reply) == ["model", "outputs"]
    close(reply["outputs"], outputs, rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8"])
def test_codes_and_outputs_as_npy(http: httpx.Client, dtype: str) -> None:
    body = npy(np.array([[-2, 2], [0, 1]], dtype))
    outputs = read_npy(http.post("/decode?model=image", content=body, headers={**NPY, "Accept": "application/x-npy"}))
    assert outputs.shape == (2, 4, 4, 1)
    assert outputs.dtype == np.float32
    close(outputs[..., 0], [halves(0, 1), halves(0.5, 0.75)], atol=1e-6)


def test_what_decode_answers_can_be_encoded_again(http: httpx.Client) -> None:
    """Far out the outputs are clipped to the value range; float rounding never puts one outside it."""
    z = np.random.default_rng(4).normal(size=(200, 2), scale=3).tolist()
    for model in ("image", "rgb"):
        outputs = read_json(http.post(f"/decode?model={model}", json={"z": z}))["outputs"]
        assert 0.0 <= np.min(outputs) < np.max(outputs) <= 1.0
        reply = read_json(http.post(f"/encode?model={model}", json={"inputs": outputs}))
        close(reply["z"], np.clip(z, -2, 2), atol=1e-5)


@pytest.mark.parametrize("model", ["vector", "plain-vector", "sequence"])
def test_what_is_no_picture_can_be_encoded_again_too(http: httpx.Client, model: str) -> None:
    z = np.random.default_rng(5).normal(size=(20, AFFINE[model].latent.dim)).tolist()
    outputs = read_json(http.post(f"/decode?model={model}", json={"z": z}))["outputs"]
    reply = read_json(http.post(f"/encode?model={model}", json={"inputs": outputs}))
    close(reply["z"], z, rtol=1e-4, atol=1e-4)


def test_one_code_is_one_picture(http: httpx.Client) -> None:
    pixels = read_png(http.post("/decode?model=image", json={"z": [[-2, 0]]}, headers={"Accept": "image/png"}))
    assert pixels.tolist() == [[0, 0, 128, 128]] * 4


def test_five_codes_are_a_sheet_of_three_columns(one: httpx.Client) -> None:
    """Grey levels 0, 51 … 204 from z = -2, -1.2 …, the last cell black."""
    z = [[level, level] for level in (-2.0, -1.2, -0.4, 0.4, 1.2)]
    pixels = read_png(one.post("/decode?model=image", json={"z": z}, headers={"Accept": "image/png"}))
    assert pixels.shape == (8, 12)
    assert pixels[::4, ::4].tolist() == [[0, 51, 102], [153, 204, 0]]


def test_scale_magnifies(one: httpx.Client) -> None:
    headers = {"Accept": "image/png"}
    plain = read_png(one.post("/decode?model=rgb", json={"z": [[2, -2]]}, headers=headers))
    large = read_png(one.post("/decode?model=rgb&scale=16", json={"z": [[2, -2]]}, headers=headers))
    assert plain.shape == (6, 4, 3)
    assert plain[0, 0].tolist() == [255, 0, 128]
    np.testing.assert_array_equal(large, plain.repeat(16, axis=0).repeat(16, axis=1))


@pytest.mark.parametrize("where", ["body", "query"])
def test_pictures_in_a_json_reply(one: httpx.Client, where: str) -> None:
    codes = {"z": [[-2, 2], [2, -2]]}
    options: dict[str, str | int] = {"as": "png", "scale": 2}
    response = (
        one.post("/decode?model=image", json={**codes, **options})
        if where == "body"
        else one.post("/decode", params={"model": "image", **options}, json=codes)
    )
    reply = read_json(response)
    assert list(reply) == ["model", "images"]
    first, second = (read_pixels(base64.b64decode(text)) for text in reply["images"])
    assert first.tolist() == [[0] * 4 + [255] * 4] * 8
    assert second.tolist() == first[:, ::-1].tolist()


def test_npz_of_decode(one: httpx.Client) -> None:
    arrays = read_npz(one.post("/decode?model=rgb", json={"z": [[0, 0]]}, headers={"Accept": "application/x-npz"}))
    assert {name: array.shape for name, array in arrays.items()} == {"outputs": (1, 6, 4, 3)}


def test_labels_move_the_outputs(http: httpx.Client) -> None:
    """z = 0 is 0.5, and every step of a label adds 1/8."""
    body = {"z": [[0, 0]] * 3, "labels": [0, "one", 2]}
    outputs = read_json(http.post("/decode?model=conditional", json=body))["outputs"]
    close(np.array(outputs)[:, 0, 0, 0], [0.5, 0.625, 0.75], atol=1e-6)
    outputs = read_json(http.post("/decode?model=conditional&labels=two", json={"z": [[0, 0]]}))["outputs"]
    assert outputs[0][0][0][0] == pytest.approx(0.75)


def test_a_code_so_far_out_that_the_answer_overflows_is_an_error_of_its_own(one: httpx.Client) -> None:
    """3e38 deviations of 2 are more than float32 holds."""
    body = assert_problem(one.post("/decode?model=vector", json={"z": [[0, 0], [3e38, 0]]}), 422, "overflow")
    assert body["errors"][0]["loc"] == ["outputs", 1]
