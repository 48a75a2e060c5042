"""POST /interpolate: paths through codes and inputs, in latent space and in data space, still and moving."""

from __future__ import annotations

import io
import math

import httpx
import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.service.wire import NPY, close, halves, npy, picture, read_json, read_npy, read_png

ROOT_HALF = math.sqrt(0.5)


def test_gaussian_codes_follow_the_arc(http: httpx.Client) -> None:
    body = {"z": [[1, 0], [0, 1]], "steps": 3}
    reply = read_json(http.post("/interpolate?model=image", json=body))
    assert list(reply) == ["model", "t", "z", "outputs"]
    assert reply["t"] == [0, 0.5, 1]
    close(reply["z"], [[1, 0], [ROOT_HALF, ROOT_HALF], [0, 1]], atol=1e-7)
    close(np.array(reply["outputs"])[1, 0, 0, 0], (ROOT_HALF + 2) / 4, atol=1e-6)
    assert read_json(http.post("/interpolate?model=image", json={**body, "method": "slerp"})) == reply


@pytest.mark.parametrize(("model", "method"), [("image", "lerp"), ("vector", "auto"), ("vector", "lerp")])
def test_deterministic_codes_and_lerp_follow_the_straight_line(http: httpx.Client, model: str, method: str) -> None:
    body = {"z": [[1, 0], [0, 1]], "steps": 5, "method": method}
    reply = read_json(http.post("/interpolate", params={"model": model}, json=body))
    close(reply["z"], [[1, 0], [0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0, 1]], atol=1e-7)


def test_eight_steps_unless_asked_otherwise(one: httpx.Client) -> None:
    reply = read_json(one.post("/interpolate?model=image", json={"z": [[1, 0], [0, 1], [1, 1]]}))
    assert len(reply["t"]) == len(reply["z"]) == len(reply["outputs"]) == 2 * 7 + 1
    assert reply["t"][7] == 1
    assert reply["t"][-1] == 2


@pytest.mark.parametrize("method", ["slerp", "lerp"])
def test_every_waypoint_is_exact(http: httpx.Client, method: str) -> None:
    waypoints = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
    body = {"z": waypoints.tolist(), "steps": 4, "method": method}
    reply = read_json(http.post("/interpolate?model=image", json=body))
    np.testing.assert_array_equal(np.array(reply["z"], np.float32)[::3], waypoints)
    decoded = read_json(http.post("/decode?model=image", json={"z": waypoints.tolist()}))
    close(np.array(reply["outputs"])[::3], decoded["outputs"], atol=1e-6)


def test_inputs_as_waypoints_are_encoded_first(http: httpx.Client) -> None:
    body = {"inputs": [halves(0.75, 0.5), halves(0.5, 0.75)], "steps": 3}
    reply = read_json(http.post("/interpolate?model=image", json=body))
    close(reply["z"], [[1, 0], [ROOT_HALF, ROOT_HALF], [0, 1]], atol=1e-6)


def test_data_space_blends_the_inputs_themselves(http: httpx.Client) -> None:
    """Stripes, which the model cannot draw: latent space shows grey, data space shows stripes."""
    stripes = [[0.0, 1.0, 0.0, 1.0]] * 4
    body = {"inputs": [stripes, halves(1, 1)], "steps": 3, "space": "data"}
    reply = read_json(http.post("/interpolate?model=image", json=body))
    assert reply["z"] is None
    close(np.array(reply["outputs"])[1, 0, :, 0], [0.5, 1, 0.5, 1], atol=1e-6)
    latent = read_json(http.post("/interpolate?model=image", json={**body, "space": "latent"}))
    close(np.array(latent["outputs"])[0, 0, :, 0], [0.5] * 4, atol=1e-6)


def test_data_space_answers_a_table_in_its_own_units(one: httpx.Client) -> None:
    body = {"inputs": [[10, 20, 30], [12, 24, 40]], "steps": 3, "space": "data"}
    reply = read_json(one.post("/interpolate?model=vector", json=body))
    close(reply["outputs"], [[10, 20, 30], [11, 22, 35], [12, 24, 40]], rtol=1e-6)


def test_npy_waypoints_of_the_codes_length_are_codes(http: httpx.Client) -> None:
    headers = {**NPY, "Accept": "application/x-npy"}
    codes = npy(np.array([[1, 0], [0, 1]], np.float32))
    outputs = read_npy(http.post("/interpolate?model=image&steps=3", content=codes, headers=headers))
    close(outputs[1, 0, 0, 0], (ROOT_HALF + 2) / 4, atol=1e-6)
    pictures = npy(np.array([halves(0.75, 0.5), halves(0.5, 0.75)], np.float32))
    same = read_npy(http.post("/interpolate?model=image&steps=3", content=pictures, headers=headers))
    close(same, outputs, atol=1e-6)


def test_a_form_of_two_pictures_as_a_sheet(one: httpx.Client) -> None:
    files = [("f", (name, picture(np.full((4, 4), level)), "image/png")) for name, level in (("a", 0), ("b", 255))]
    response = one.post("/interpolate?model=image&steps=6&method=lerp", files=files, headers={"Accept": "image/png"})
    assert read_png(response)[0, ::4].tolist() == [0, 51, 102, 153, 204, 255]


def test_a_sheet_has_one_row_a_segment_and_its_waypoint_in_both(one: httpx.Client) -> None:
    body = {"z": [[-2, -2], [2, 2], [-2, -2]], "steps": 3, "method": "lerp"}
    pixels = read_png(one.post("/interpolate?model=image", json=body, headers={"Accept": "image/png"}))
    assert pixels.shape == (8, 12)
    assert pixels[::4, ::4].tolist() == [[0, 128, 255], [255, 128, 0]]


@pytest.mark.parametrize("media_type", ["image/gif", "image/webp"])
@pytest.mark.parametrize(("model", "size"), [("image", (12, 12)), ("rgb", (12, 18))])
def test_a_moving_picture(one: httpx.Client, media_type: str, model: str, size: tuple[int, int]) -> None:
    body = {"z": [[-2, -2], [2, 2]], "steps": 6, "method": "lerp", "scale": 3, "fps": 5}
    response = one.post(f"/interpolate?model={model}", json=body, headers={"Accept": media_type})
    assert response.headers["content-type"] == media_type
    with Image.open(io.BytesIO(response.content)) as image:
        assert image.size == size
        frames = [np.asarray(frame.convert("RGB"))[0, 0, 0] for frame in ImageSequence.Iterator(image)]
        assert image.info["duration"] == 200
    assert frames == [0, 51, 102, 153, 204, 255]


def test_labels_are_blended_between_waypoints(http: httpx.Client) -> None:
    """z = 0 as zero is ½, as two ¾: halfway between the labels the decoder answers 5/8."""
    body = {"z": [[0, 0], [0, 0]], "labels": ["zero", "two"], "steps": 3}
    outputs = read_json(http.post("/interpolate?model=conditional", json=body))["outputs"]
    close(np.array(outputs)[:, 0, 0, 0], [0.5, 0.625, 0.75], atol=1e-6)
    outputs = read_json(http.post("/interpolate?model=conditional", json={**body, "labels": 2}))["outputs"]
    close(np.array(outputs)[:, 0, 0, 0], [0.75] * 3, atol=1e-6)


def test_one_dimensional_codes_and_sequences(http: httpx.Client) -> None:
    reply = read_json(http.post("/interpolate?model=plain-vector", json={"z": [[-1], [3]], "steps": 5}))
    close(reply["outputs"], [[v, v] for v in (-1, 0, 1, 2, 3)], atol=1e-6)
    reply = read_json(http.post("/interpolate?model=sequence", json={"z": [[0, 0, 0], [2, 0, 4]], "steps": 3}))
    close(reply["outputs"][1], [[1, 0], [1, 0.5], [1, 1], [1, 1.5], [1, 2]], atol=1e-6)
