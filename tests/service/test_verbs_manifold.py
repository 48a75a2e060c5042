"""GET /manifold: the codes, their order, and the picture."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
from scipy import stats

from tests.service.wire import close, read_json, read_npy, read_npz, read_png

AS_JSON = {"Accept": "application/json"}
BROWSER = "text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8"


def test_fifteen_a_side_between_the_quantiles_of_the_prior(http: httpx.Client) -> None:
    reply = read_json(http.get("/manifold?model=image", headers=AS_JSON))
    assert list(reply) == ["model", "dims", "spacing", "values", "columns", "z", "outputs"]
    assert (reply["dims"], reply["spacing"], reply["columns"]) == ([0, 1], "quantile", 15)
    places = stats.norm.ppf(np.linspace(0.05, 0.95, 15))
    close(reply["values"], [places, places], atol=1e-12)
    z = np.array(reply["z"]).reshape(15, 15, 2)
    close(z[0, :, 0], places, atol=1e-6)
    close(z[:, 0, 1], places[::-1], atol=1e-6)
    assert np.shape(reply["outputs"]) == (225, 4, 4, 1)


def test_right_is_the_first_dimension_and_up_is_the_second(http: httpx.Client) -> None:
    """z0 is the left half, z1 the right half: the corners are (-2, 2), (2, 2) over (-2, -2), (2, -2)."""
    pixels = read_png(http.get("/manifold?model=image&n=2&spacing=linear&extent=2"))
    assert pixels[::4, ::2].tolist() == [[0, 255, 255, 255], [0, 0, 255, 0]]


def test_dimensions_may_be_exchanged(one: httpx.Client) -> None:
    pixels = read_png(one.get("/manifold?model=image&n=2&spacing=linear&extent=2&dims=1,0"))
    assert pixels[::4, ::2].tolist() == [[255, 0, 255, 255], [0, 0, 0, 255]]


@pytest.mark.parametrize("accept", ["*/*", "image/*", "image/png", BROWSER])
def test_a_picture_for_an_address_bar(one: httpx.Client, accept: str) -> None:
    response = one.get("/manifold?model=rgb&n=3&scale=2", headers={"Accept": accept})
    assert read_png(response).shape == (36, 24, 3)
    assert response.headers["cache-control"] == "no-cache"


def test_linear_spacing_is_in_deviations_of_the_prior(http: httpx.Client) -> None:
    """Four by default; the fitted prior of `vector` is N(½, ¼): from -1½ to 2½."""
    reply = read_json(http.get("/manifold?model=image&n=3&spacing=linear", headers=AS_JSON))
    close(reply["values"], [[-4, 0, 4]] * 2)
    reply = read_json(http.get("/manifold?model=vector&n=3&spacing=linear", headers=AS_JSON))
    close(reply["values"], [[-1.5, 0.5, 2.5]] * 2)


def test_quantiles_of_a_fitted_prior(one: httpx.Client) -> None:
    reply = read_json(one.get("/manifold?model=vector&n=5&low=0.005", headers=AS_JSON))
    close(reply["values"], [stats.norm.ppf(np.linspace(0.005, 0.995, 5), 0.5, 0.5)] * 2, atol=1e-9)


def test_the_other_dimensions_are_zero_the_priors_mean_or_as_given(one: httpx.Client) -> None:
    z = np.array(read_json(one.get("/manifold?model=sequence&n=2", headers=AS_JSON))["z"])
    assert z[:, 2].tolist() == [0.5] * 4
    reply = read_json(one.get("/manifold?model=sequence&n=2&dims=2,0&z=7,8,9", headers=AS_JSON))
    z = np.array(reply["z"])
    assert z[:, 1].tolist() == [8] * 4
    assert set(z[:, 0]) == set(z[:, 2])
    z = np.array(read_json(one.get("/manifold?model=image&n=3&dims=0", headers=AS_JSON))["z"])
    assert z[:, 1].tolist() == [0] * 3


def test_one_dimension_is_a_strip(http: httpx.Client) -> None:
    pixels = read_png(http.get("/manifold?model=image&n=5&dims=1&z=2,0&spacing=linear&extent=2"))
    assert pixels.shape == (4, 20)
    assert pixels[0, 3::4].tolist() == [0, 64, 128, 191, 255]
    assert pixels[0, ::4].tolist() == [255] * 5


def test_a_one_dimensional_code_is_a_strip_by_itself(http: httpx.Client) -> None:
    reply = read_json(http.get("/manifold?model=plain-vector&n=3&spacing=linear&extent=2"))
    assert (reply["dims"], reply["columns"]) == ([0], 3)
    close(reply["outputs"], [[-2, -2], [0, 0], [2, 2]], atol=1e-6)


@pytest.mark.parametrize(("label", "grey"), [("zero", 128), ("2", 191), ("one", 159), ("1", 159)])
def test_the_label_of_a_conditional_model(http: httpx.Client, label: str, grey: int) -> None:
    pixels = read_png(http.get(f"/manifold?model=conditional&n=1&label={label}"))
    assert pixels.tolist() == [[grey] * 4] * 4


def test_sixty_four_a_side_goes_beyond_the_limit_of_items(http: httpx.Client) -> None:
    outputs = read_npy(http.get("/manifold?model=image&n=64", headers={"Accept": "application/x-npy"}))
    assert outputs.shape == (4096, 4, 4, 1)
    close(outputs[0, 0, :, 0], [(stats.norm.ppf(0.05) + 2) / 4] * 2 + [(stats.norm.ppf(0.95) + 2) / 4] * 2, atol=1e-6)


def test_npz_of_a_manifold(one: httpx.Client) -> None:
    arrays = read_npz(one.get("/manifold?model=image&n=3", headers={"Accept": "application/x-npz"}))
    assert arrays["values"].shape == (2, 3)
    assert int(arrays["columns"]) == 3
    assert arrays["z"].shape == (9, 2)


def test_pictures_in_a_json_reply(one: httpx.Client) -> None:
    reply = read_json(one.get("/manifold?model=image&n=2&as=png", headers=AS_JSON))
    assert len(reply["images"]) == 4
    assert "outputs" not in reply
