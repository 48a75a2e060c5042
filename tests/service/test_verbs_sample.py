"""POST /sample and GET /sample: equal seeds give equal codes, beside any other requests and on any engine."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from scipy import stats

from service.verbs.latent_ops import noise
from tests.service.wire import close, read_json, read_npy, read_npz, read_pixels, read_png
from tests.support.affine import AFFINE
from tests.support.server import RunningServer

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def codes(client: httpx.Client, model: str = "image", **options: object) -> np.ndarray:
    return np.array(read_json(client.post("/sample", params={"model": model}, json=options))["z"], np.float32)


def test_sixteen_samples_unless_asked_otherwise(http: httpx.Client) -> None:
    reply = read_json(http.post("/sample?model=image"))
    assert list(reply) == ["model", "seed", "prior", "z", "outputs"]
    assert np.shape(reply["z"]) == (16, 2)
    assert np.shape(reply["outputs"]) == (16, 4, 4, 1)
    assert 0 <= reply["seed"] < 2**53
    assert reply["prior"] == "standard"


def test_outputs_are_what_decode_makes_of_z(http: httpx.Client) -> None:
    for name, affine in AFFINE.items():
        labels = {"labels": "one"} if affine.input.conditional else {}
        reply = read_json(http.post("/sample", params={"model": name}, json={"n": 5, "seed": 1, **labels}))
        again = read_json(http.post("/decode", params={"model": name}, json={"z": reply["z"], **labels}))
        close(reply["outputs"], again["outputs"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("model", ["image", "vector", "plain-vector", "sequence"])
@pytest.mark.parametrize("prior", ["auto", "standard", "fitted"])
def test_a_seed_gives_the_same_codes_bit_for_bit_on_both_engines(
    openvino_server: RunningServer, tensorflow_server: RunningServer, model: str, prior: str
) -> None:
    options = {"n": 33, "seed": 2**53 - 1, "prior": prior, "temperature": 0.8, "truncation": 1.5}
    expected = codes(openvino_server.http, model, **options)
    np.testing.assert_array_equal(codes(tensorflow_server.http, model, **options), expected)
    np.testing.assert_array_equal(codes(openvino_server.http, model, **options), expected)


@pytest.mark.parametrize("prior", ["standard", "fitted"])
def test_the_first_samples_are_those_of_a_smaller_n(http: httpx.Client, prior: str) -> None:
    whole = codes(http, n=100, seed=9, prior=prior)
    for k in (1, 2, 17, 64, 65):
        np.testing.assert_array_equal(codes(http, n=k, seed=9, prior=prior), whole[:k])


def test_the_standard_prior_is_the_documented_noise(one: httpx.Client) -> None:
    np.testing.assert_array_equal(codes(one, n=7, seed=3), noise(3, 7, 2).normal.astype(np.float32))
    np.testing.assert_array_equal(
        codes(one, n=7, seed=3, temperature=0.5), (0.5 * noise(3, 7, 2).normal).astype(np.float32)
    )


def test_the_fitted_prior_of_the_affine_models_by_hand(one: httpx.Client) -> None:
    """N(½, ¼ I): ½ + ½ ε, and ½ + ¼ ε at temperature ½."""
    eps = noise(3, 7, 2).normal
    close(codes(one, n=7, seed=3, prior="fitted"), 0.5 + 0.5 * eps, rtol=1e-6)
    close(codes(one, n=7, seed=3, prior="fitted", temperature=0.5), 0.5 + 0.25 * eps, rtol=1e-6)
    close(codes(one, n=3, seed=3, prior="fitted", temperature=0), [[0.5, 0.5]] * 3)


@pytest.mark.parametrize(("model", "prior"), [("image", "standard"), ("vector", "fitted"), ("sequence", "fitted")])
def test_auto_depends_on_the_kind_of_code(one: httpx.Client, model: str, prior: str) -> None:
    reply = read_json(one.post("/sample", params={"model": model}, json={"seed": 1}))
    assert reply["prior"] == prior
    explicit = read_json(one.post("/sample", params={"model": model}, json={"seed": 1, "prior": prior}))
    assert explicit == reply


def test_truncation_over_http(one: httpx.Client) -> None:
    z = codes(one, n=1000, seed=5, truncation=0.7).ravel()
    assert np.abs(z).max() <= 0.7
    assert stats.kstest(z, stats.truncnorm(-0.7, 0.7).cdf).pvalue > 0.01


def test_labels_choose_what_is_sampled(http: httpx.Client) -> None:
    body = {"n": 2, "seed": 1, "temperature": 0, "labels": ["zero", 2]}
    reply = read_json(http.post("/sample?model=conditional", json=body))
    close(np.array(reply["outputs"])[:, 0, 0, 0], [0.5, 0.75], atol=1e-6)
    reply = read_json(http.post("/sample?model=conditional&labels=1", json={"n": 2, "temperature": 0}))
    close(np.array(reply["outputs"])[:, 0, 0, 0], [0.625, 0.625], atol=1e-6)


def test_arrays_of_a_sample(one: httpx.Client) -> None:
    body = {"n": 3, "seed": 11}
    outputs = read_npy(one.post("/sample?model=rgb", json=body, headers={"Accept": "application/x-npy"}))
    arrays = read_npz(one.post("/sample?model=rgb", json=body, headers={"Accept": "application/x-npz"}))
    assert outputs.shape == (3, 6, 4, 3)
    np.testing.assert_array_equal(arrays["outputs"], outputs)
    assert (int(arrays["seed"]), str(arrays["prior"])) == (11, "standard")
    np.testing.assert_array_equal(arrays["z"], noise(11, 3, 2).normal.astype(np.float32))


# -- GET ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [None, "*/*", "image/*", "image/png", BROWSER, "image/avif,image/webp,*/*;q=0.5"])
def test_an_address_bar_gets_a_picture(one: httpx.Client, accept: str | None) -> None:
    request = one.build_request("GET", "/sample?model=image&n=10&seed=4")
    del request.headers["accept"]
    if accept is not None:
        request.headers["accept"] = accept
    assert read_png(one.send(request)).shape == (12, 16)


def test_the_picture_is_that_of_the_post_with_the_same_options(http: httpx.Client) -> None:
    query = "model=image&n=5&seed=4&temperature=0.5&truncation=1&prior=fitted&scale=2"
    options = {"n": 5, "seed": 4, "temperature": 0.5, "truncation": 1, "prior": "fitted", "scale": 2}
    headers = {"Accept": "image/png"}
    posted = read_png(http.post("/sample?model=image", json=options, headers=headers))
    np.testing.assert_array_equal(read_png(http.get(f"/sample?{query}")), posted)
    reply = read_json(http.get(f"/sample?{query}", headers={"Accept": "application/json"}))
    assert reply == read_json(http.post("/sample?model=image", json=options))


def test_a_model_without_pictures_answers_json(http: httpx.Client) -> None:
    for accept in ("*/*", "image/*", BROWSER):
        reply = read_json(http.get("/sample?model=vector&n=2&seed=1", headers={"Accept": accept}))
        assert np.shape(reply["outputs"]) == (2, 3)


@pytest.mark.parametrize(("query", "stored"), [("seed=4", "no-cache"), ("", "no-store")])
def test_only_an_unseeded_picture_must_not_be_stored(one: httpx.Client, query: str, stored: str) -> None:
    response = one.get(f"/sample?model=image&{query}")
    assert response.headers["cache-control"] == stored
    assert ("etag" in response.headers) == (stored == "no-cache")
    assert "accept" in response.headers["vary"].lower()


def test_an_unseeded_picture_says_which_seed_repeats_it(one: httpx.Client) -> None:
    first, second = (one.get("/sample?model=image&n=4") for _ in range(2))
    assert first.headers["x-latent-seed"] != second.headers["x-latent-seed"]
    again = one.get("/sample", params={"model": "image", "n": 4, "seed": first.headers["x-latent-seed"]})
    np.testing.assert_array_equal(read_pixels(again.content), read_pixels(first.content))


def test_labels_in_the_address(one: httpx.Client) -> None:
    pixels = read_png(one.get("/sample?model=conditional&n=3&temperature=0&labels=zero,one,2"))
    assert pixels[::4, ::4].tolist() == [[128, 159], [191, 0]]
