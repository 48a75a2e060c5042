"""POST /encode against the affine truth, through every kind of body."""

from __future__ import annotations

import math

import httpx
import numpy as np
import pytest

from tests.service.wire import NPY, PNG, base64_text, close, halves, npy, picture, read_json, read_npy, read_npz
from tests.support.affine import AFFINE

GREYS = np.array([[0, 0, 255, 255]] * 4, np.uint8)
"""L = 0 and R = 1: z is (-2, 2)."""


@pytest.mark.parametrize("model", sorted(AFFINE))
@pytest.mark.parametrize("n", [1, 5, 70])
def test_z_is_the_mean_and_the_truth(http: httpx.Client, model: str, n: int) -> None:
    affine = AFFINE[model]
    x = np.random.default_rng(n).random((n, *affine.input.shape), np.float32)
    labels = [i % 3 for i in range(n)] if affine.input.conditional else None
    inputs = x * (2.0, 4.0, 5.0) + (10.0, 20.0, 30.0) if model == "vector" else x
    reply = read_json(http.post("/encode", params={"model": model}, json={"inputs": inputs.tolist(), "labels": labels}))
    z_mean, z_log_var = affine.encode(x, np.array(labels) if labels else None)
    assert list(reply) == ["model", "z", "z_mean", "z_log_var"]
    assert reply["model"] == f"{model}@1"
    close(reply["z"], z_mean, atol=2e-6)
    assert reply["z_mean"] == reply["z"]
    if z_log_var is None:
        assert reply["z_log_var"] is None
    else:
        close(reply["z_log_var"], z_log_var, atol=1e-6)


def test_a_channel_of_one_may_be_left_out(http: httpx.Client) -> None:
    with_channel = [[[[value] for value in row] for row in halves(0.0, 1.0)]]
    for inputs in ([halves(0.0, 1.0)], with_channel):
        reply = read_json(http.post("/encode", params={"model": "image"}, json={"inputs": inputs}))
        close(reply["z"], [[-2, 2]], atol=1e-6)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_body_of_any_float(http: httpx.Client, dtype: str, order: str) -> None:
    x = np.array([halves(0.25, 0.5), halves(0.5, 0.75)], dtype, order="F" if order == "F" else "C")
    for body in (npy(x), npy(x[..., None])):
        z = read_npy(http.post("/encode?model=image", content=body, headers={**NPY, "Accept": "application/x-npy"}))
        assert z.dtype == np.float32
        close(z, [[-1, 0], [0, 1]], atol=1e-6)


def test_bytes_in_an_npy_are_scaled_to_the_value_range(http: httpx.Client) -> None:
    reply = read_json(http.post("/encode?model=image", content=npy(GREYS[None]), headers=NPY))
    close(reply["z"], [[-2, 2]], atol=1e-6)


def test_a_sequence_in_an_npy_is_steps_by_features(http: httpx.Client) -> None:
    """Feature 0 is 0 … 4, feature 1 runs from 10 to 14: z is (2, 10, 14)."""
    sequence = np.stack([np.arange(5.0), np.arange(10.0, 15.0)], axis=1)
    reply = read_json(http.post("/encode?model=sequence", content=npy(sequence[None]), headers=NPY))
    close(reply["z"], [[2, 10, 14]], rtol=1e-6)
    assert reply["z_log_var"] is None


def test_a_table_is_sent_in_its_own_units(http: httpx.Client) -> None:
    """(12 - 10) / 2 and (16 - 20) / 4."""
    reply = read_json(http.post("/encode?model=vector", json={"inputs": [[12, 16, 99]]}))
    close(reply["z"], [[1, -1]], atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("PNG", "image/png"), ("WEBP", "image/webp"), ("JPEG", "image/jpeg"), ("JPEG", "image/jpg")],
)
def test_one_image_as_the_body(http: httpx.Client, kind: str, content_type: str) -> None:
    body = picture(np.full((16, 16), 255), kind)
    reply = read_json(http.post("/encode?model=image", content=body, headers={"Content-Type": content_type}))
    close(reply["z"], [[2, 2]], atol=0.02)


def test_many_images_as_a_form_in_order(http: httpx.Client) -> None:
    files = [
        (name, (f"{level}.png", picture(np.full((4, 4), level)), "image/png"))
        for name, level in (("b", 0), ("a", 51), ("b", 255))
    ]
    z = read_npy(http.post("/encode?model=image", files=files, headers={"Accept": "application/x-npy"}))
    close(z, [[-2, -2], [-1.2, -1.2], [2, 2]], atol=1e-6)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_images_in_base64(http: httpx.Client, prefix: str) -> None:
    images = [prefix + base64_text(picture(GREYS)), prefix + base64_text(picture(GREYS[:, ::-1]))]
    reply = read_json(http.post("/encode?model=image", json={"images": images}))
    close(reply["z"], [[-2, 2], [2, -2]], atol=1e-6)


def test_a_picture_is_brought_to_the_models_size_and_colours(one: httpx.Client) -> None:
    """A red picture is red for `rgb`, and 0.299 grey for `image`; wide ones get black bars by `contain`."""
    red = picture(np.full((6, 4, 3), (255, 0, 0)))
    reply = read_json(one.post("/encode?model=rgb", content=red, headers=PNG))
    close(reply["z"], [[2, -2]], atol=1e-6)
    reply = read_json(one.post("/encode?model=image&fit=stretch", content=red, headers=PNG))
    close(reply["z"], [[4 * 76 / 255 - 2] * 2], atol=1e-6)
    wide = picture(np.full((2, 4), 255))
    for fit, expected in (("contain", 0.0), ("cover", 2.0), ("stretch", 2.0)):
        reply = read_json(one.post(f"/encode?model=image&fit={fit}", content=wide, headers=PNG))
        close(reply["z"], [[expected, expected]], atol=1e-6)


def test_inverted_colours(one: httpx.Client) -> None:
    reply = read_json(one.post("/encode?model=image&invert=true", content=picture(GREYS), headers=PNG))
    close(reply["z"], [[2, -2]], atol=1e-6)
    body = {"images": [base64_text(picture(GREYS))], "invert": True}
    assert read_json(one.post("/encode?model=image", json=body))["z"] == reply["z"]


def test_an_npz_holds_every_array_but_no_null(http: httpx.Client) -> None:
    headers = {"Accept": "application/x-npz"}
    arrays = read_npz(http.post("/encode?model=image", json={"inputs": [halves(0, 1)]}, headers=headers))
    assert {name: array.shape for name, array in arrays.items()} == {
        "z": (1, 2),
        "z_mean": (1, 2),
        "z_log_var": (1, 2),
    }
    arrays = read_npz(http.post("/encode?model=vector", json={"inputs": [[1, 2, 3]]}, headers=headers))
    assert set(arrays) == {"z", "z_mean"}


def test_a_draw_from_the_posterior_has_its_mean_and_deviation(one: httpx.Client) -> None:
    """z_log_var is (-2, -1): deviations e⁻¹ and e⁻¹ᐟ²."""
    body = {"inputs": [halves(0.5, 0.75)] * 1000, "sample": True, "seed": 3}
    reply = read_json(one.post("/encode?model=image", json=body))
    z = np.array(reply["z"])
    close(z.mean(axis=0), [0, 1], atol=0.06)
    close(z.std(axis=0), [math.exp(-1), math.exp(-0.5)], rtol=0.08)
    close(reply["z_mean"], [[0, 1]] * 1000, atol=1e-6)
    assert reply["seed"] == 3


def test_a_seeded_draw_is_repeatable_and_its_noise_depends_on_the_row_alone(http: httpx.Client) -> None:
    def draw(n: int, seed: int) -> list[list[float]]:
        body = {"inputs": [halves(0.5, 0.75)] * n, "sample": True, "seed": seed}
        z: list[list[float]] = read_json(http.post("/encode?model=image", json=body))["z"]
        return z

    whole = draw(9, 5)
    assert draw(9, 5) == whole
    assert draw(9, 6) != whole
    close(draw(4, 5), whole[:4], atol=1e-5)


def test_an_unseeded_draw_says_which_seed_repeats_it(one: httpx.Client) -> None:
    body = {"inputs": [halves(0.5, 0.75)], "sample": True}
    first = read_json(one.post("/encode?model=image", json=body))
    again = read_json(one.post("/encode?model=image", json={**body, "seed": first["seed"]}))
    assert 0 <= first["seed"] < 2**53
    assert again == first


def test_without_sample_there_is_no_seed_in_the_reply(one: httpx.Client) -> None:
    assert "seed" not in read_json(one.post("/encode?model=image", json={"inputs": [halves(0, 0)], "seed": 4}))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (0, [[0, 0], [0, 0]]),
        ("one", [[-1, -1], [-1, -1]]),
        ([2], [[-2, -2], [-2, -2]]),
        (["two", 0], [[-2, -2], [0, 0]]),
        ([1, "zero"], [[-1, -1], [0, 0]]),
    ],
)
def test_labels_in_a_body(http: httpx.Client, labels: object, expected: list[list[float]]) -> None:
    """Every step of a label moves the code of a half-grey picture by -1."""
    body = {"inputs": [halves(0.5, 0.5)] * 2, "labels": labels}
    close(read_json(http.post("/encode?model=conditional", json=body))["z"], expected, atol=1e-6)


@pytest.mark.parametrize("query", ["labels=one,2", "labels=one&labels=2", "labels=1,two", "labels=one,%20two"])
def test_labels_in_a_query_are_names_first_and_then_indices(http: httpx.Client, query: str) -> None:
    body = npy(np.full((2, 4, 4), 0.5, np.float32))
    reply = read_json(http.post(f"/encode?model=conditional&{query}", content=body, headers=NPY))
    close(reply["z"], [[-1, -1], [-2, -2]], atol=1e-6)


def test_a_value_within_the_slack_is_taken_as_the_bound(one: httpx.Client) -> None:
    reply = read_json(one.post("/encode?model=image", json={"inputs": [halves(-5e-7, 1.0 + 5e-7)]}))
    assert reply["z"] == [[-2.0, 2.0]]
