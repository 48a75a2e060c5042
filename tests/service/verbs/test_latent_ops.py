"""Latent mathematics against numbers worked out by hand, and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from model_store.arrays import Float64
from model_store.prior import Mixture
from service.verbs.latent_ops import (
    STANDARD_AXIS,
    Axis,
    Method,
    Noise,
    grid,
    lerp,
    linear_spacing,
    mixture_axis,
    noise,
    path,
    path_positions,
    quantile_spacing,
    sample_mixture,
    sample_posterior,
    sample_standard,
    slerp,
    uniforms,
)

ROOT_HALF = math.sqrt(0.5)
SEED_7 = [[-0.5377773613536537, -0.20164360050307628], [-1.3862015312993767, 0.5147407197666336]]


def array(*values: float) -> Float64:
    return np.array(values, np.float64)


# -- paths -------------------------------------------------------------------------------------------------


def test_halfway_along_a_quarter_of_the_unit_circle() -> None:
    arc = slerp(array(1, 0), array(0, 1), array(0, 0.5, 1))
    np.testing.assert_allclose(arc, array(1, 0, ROOT_HALF, ROOT_HALF, 0, 1).reshape(3, 2), atol=1e-15)


def test_a_third_of_the_way_is_thirty_degrees() -> None:
    np.testing.assert_allclose(slerp(array(1, 0), array(0, 1), array(1 / 3)), [[math.sqrt(0.75), 0.5]], atol=1e-15)


def test_on_a_sphere_slerp_keeps_the_norm_where_lerp_cuts_through() -> None:
    t = np.linspace(0, 1, 9)
    start, end = array(3, 0, 4), array(0, 5, 0)
    np.testing.assert_allclose(np.linalg.norm(slerp(start, end, t), axis=1), 5.0, rtol=1e-14)
    assert np.linalg.norm(lerp(start, end, array(0.5))) == pytest.approx(math.sqrt(12.5))


def test_vectors_of_different_norm_are_weighted_by_the_angle_between_them() -> None:
    """(1, 0) to (0, 2): at t = ½ both weights are sin 45° / sin 90°."""
    np.testing.assert_allclose(slerp(array(1, 0), array(0, 2), array(0.5)), [[ROOT_HALF, 2 * ROOT_HALF]], atol=1e-15)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param((1.0, 2.0), (2.0, 4.0), id="parallel"),
        pytest.param((1.0, -1.0), (-3.0, 3.0), id="opposite"),
        pytest.param((0.0, 0.0), (1.0, 3.0), id="from zero"),
        pytest.param((1.0, 3.0), (0.0, 0.0), id="to zero"),
        pytest.param((0.5, 0.5), (0.5, 0.5), id="the same"),
        pytest.param((0.0, 0.0), (0.0, 0.0), id="nothing"),
    ],
)
def test_vectors_that_span_no_arc_get_the_straight_line(start: tuple[float, ...], end: tuple[float, ...]) -> None:
    t = np.linspace(0, 1, 5)
    expected = np.linspace(start, end, 5)
    np.testing.assert_allclose(slerp(array(*start), array(*end), t), expected, atol=1e-15)


def test_a_nearly_opposite_pair_stays_on_the_circle() -> None:
    nearly = array(-math.cos(1e-3), math.sin(1e-3))
    np.testing.assert_allclose(slerp(array(1, 0), nearly, array(0.5)), [[math.sin(5e-4), math.cos(5e-4)]], rtol=1e-9)


def test_positions_of_three_waypoints_in_steps_of_a_third() -> None:
    np.testing.assert_allclose(path_positions(3, 4), [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2], rtol=1e-15)


@pytest.mark.parametrize(("waypoints", "steps"), [(2, 2), (2, 8), (5, 3), (3, 50), (7, 2)])
def test_positions_pass_every_integer_exactly(waypoints: int, steps: int) -> None:
    t = path_positions(waypoints, steps)
    assert len(t) == (waypoints - 1) * (steps - 1) + 1
    assert t[:: steps - 1].tolist() == list(range(waypoints))


@pytest.mark.parametrize("method", ["lerp", "slerp"])
@given(seed=st.integers(0, 2**32 - 1), waypoints=st.integers(2, 6), steps=st.integers(2, 12), d=st.integers(1, 9))
def test_every_waypoint_of_a_path_is_exact(method: Method, seed: int, waypoints: int, steps: int, d: int) -> None:
    points = np.random.default_rng(seed).normal(size=(waypoints, d)).astype(np.float32)
    whole = path(points, steps, method)
    assert whole.shape == ((waypoints - 1) * (steps - 1) + 1, d)
    np.testing.assert_array_equal(whole[:: steps - 1].astype(np.float32), points)


def test_a_path_of_pictures_blends_them_pixel_by_pixel() -> None:
    pictures = np.stack([np.zeros((2, 2, 1)), np.ones((2, 2, 1))])
    np.testing.assert_allclose(path(pictures, 5, "lerp")[:, 0, 1, 0], [0, 0.25, 0.5, 0.75, 1])


# -- noise -------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**53 - 1), n=st.integers(1, 200), k=st.integers(1, 200), columns=st.integers(1, 20))
def test_the_first_rows_never_depend_on_how_many_follow(seed: int, n: int, k: int, columns: int) -> None:
    few, many = sorted((n, k))
    np.testing.assert_array_equal(uniforms(seed, few, columns), uniforms(seed, many, columns)[:few])


@given(seed=st.integers(0, 2**53 - 1), n=st.integers(1, 60), d=st.integers(1, 12), k=st.integers(1, 5))
def test_samples_of_a_mixture_begin_with_the_samples_of_fewer(seed: int, n: int, d: int, k: int) -> None:
    rng = np.random.default_rng(d * 10 + k)
    root = rng.normal(size=(k, d, d))
    mixture = Mixture(np.full(k, 1 / k), rng.normal(size=(k, d)), root @ root.transpose(0, 2, 1) + np.eye(d))
    whole = sample_mixture(mixture, noise(seed, 60, d, 1.5), 0.7)
    np.testing.assert_array_equal(sample_mixture(mixture, noise(seed, n, d, 1.5), 0.7), whole[:n])


def test_another_seed_and_another_row_are_another_draw() -> None:
    assert len(np.unique(np.stack([uniforms(seed, 50, 4) for seed in (0, 1, 2, 2**53 - 1)]))) == 800


def test_uniforms_are_strictly_inside_the_unit_interval_and_uniform() -> None:
    values = uniforms(11, 20_000, 2)
    assert 0.0 < values.min() < 1e-3
    assert 1.0 - 1e-3 < values.max() < 1.0
    assert stats.kstest(values.ravel(), "uniform").pvalue > 0.01


def test_noise_is_standard_normal() -> None:
    eps = noise(5, 20_000, 3)
    assert eps.normal.shape == (20_000, 3)
    for column in eps.normal.T:
        assert stats.kstest(column, "norm").pvalue > 0.01
    np.testing.assert_allclose(np.corrcoef(eps.normal.T), np.eye(3), atol=0.03)


def test_these_numbers_never_change() -> None:
    """A published seed must give the same codes in every later release."""
    np.testing.assert_allclose(noise(7, 2, 2).normal, SEED_7, rtol=1e-12)


@pytest.mark.parametrize("bound", [0.5, 1.0, 2.0, 4.0])
def test_truncated_noise_is_the_truncated_normal(bound: float) -> None:
    values = noise(3, 20_000, 1, bound).normal.ravel()
    assert np.abs(values).max() <= bound
    assert stats.kstest(values, stats.truncnorm(-bound, bound).cdf).pvalue > 0.01


@pytest.mark.parametrize("bound", [1e-9, 1e-3, 9.0, 40.0, 100.0])
def test_any_truncation_gives_finite_numbers_within_its_bounds(bound: float) -> None:
    values = noise(1, 5_000, 2, bound).normal
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= bound


def test_truncation_far_out_is_no_truncation() -> None:
    np.testing.assert_allclose(noise(1, 100, 2, 30.0).normal, noise(1, 100, 2).normal, rtol=1e-9)


# -- samples -----------------------------------------------------------------------------------------------


def test_temperature_scales_the_standard_prior() -> None:
    eps = noise(1, 4, 3)
    np.testing.assert_array_equal(sample_standard(eps, 0.5), 0.5 * eps.normal)
    assert not sample_standard(eps, 0.0).any()


def test_a_mixture_by_hand() -> None:
    """Weights ¼ and ¾: uniforms below ¼ choose the first. The factor of [[4, 2], [2, 5]] is [[2, 0], [1, 2]]."""
    mixture = Mixture(
        array(0.25, 0.75),
        np.array([[0.0, 0.0], [10.0, 20.0]]),
        np.array([np.eye(2), [[4.0, 2.0], [2.0, 5.0]]]),
    )
    eps = Noise(array(0.1, 0.9), np.array([[1.0, -1.0], [1.0, -1.0]]))
    np.testing.assert_allclose(sample_mixture(mixture, eps, 1.0), [[1, -1], [12, 19]])
    np.testing.assert_allclose(sample_mixture(mixture, eps, 0.0), mixture.means)
    np.testing.assert_allclose(sample_mixture(mixture, eps, 0.5), [[0.5, -0.5], [11, 19.5]])


def test_samples_of_a_mixture_have_its_moments() -> None:
    mixture = Mixture(
        array(0.3, 0.7), np.array([[-2.0, 0.0], [2.0, 1.0]]), np.array([np.eye(2), [[0.5, 0.3], [0.3, 0.5]]])
    )
    codes = sample_mixture(mixture, noise(2, 50_000, 2), 1.0)
    np.testing.assert_allclose(codes.mean(axis=0), mixture.mean, atol=0.03)
    between = sum(
        w * np.outer(m - mixture.mean, m - mixture.mean) for w, m in zip(mixture.weights, mixture.means, strict=True)
    )
    within = np.einsum("k,kij->ij", mixture.weights, mixture.covariances)
    np.testing.assert_allclose(np.cov(codes.T), within + between, atol=0.06)


def test_a_posterior_sample_takes_half_the_log_variance() -> None:
    """log 4 is a standard deviation of 2, not 4."""
    eps = Noise(array(0.5), np.array([[1.0, -2.0]]))
    z = sample_posterior(np.array([[1.0, 1.0]]), np.array([[math.log(4.0), 0.0]]), eps)
    np.testing.assert_allclose(z, [[3.0, -1.0]])


# -- grids -------------------------------------------------------------------------------------------------


def test_quantiles_of_the_standard_normal_are_scipys() -> None:
    levels = array(0.005, 0.05, 0.5, 0.95, 0.995)
    np.testing.assert_allclose(STANDARD_AXIS.quantiles(levels), stats.norm.ppf(levels), atol=1e-12)


def test_quantiles_of_a_mixture_invert_its_distribution() -> None:
    axis = Axis(array(0.2, 0.5, 0.3), array(-5, 0, 3), array(0.5, 1, 2))
    levels = np.linspace(0.001, 0.999, 37)
    places = axis.quantiles(levels)
    back = sum(
        w * stats.norm.cdf(places, m, s) for w, m, s in zip(axis.weights, axis.means, axis.deviations, strict=True)
    )
    np.testing.assert_allclose(back, levels, atol=1e-12)


def test_moments_of_an_axis() -> None:
    """Half N(-1, 1), half N(3, 4): mean 1, variance ½ (1 + 1) + ½ (4 + 9) - 1."""
    axis = Axis(array(0.5, 0.5), array(-1, 3), array(1, 2))
    assert axis.mean == pytest.approx(1.0)
    assert axis.deviation == pytest.approx(math.sqrt(6.5))


def test_the_axis_of_a_mixture_is_its_marginal() -> None:
    mixture = Mixture(array(1.0), np.array([[1.0, 2.0]]), np.array([[[4.0, 1.0], [1.0, 9.0]]]))
    np.testing.assert_allclose(mixture_axis(mixture, 1).quantiles(array(0.5, 0.8413447460685429)), [2.0, 5.0])


def test_quantile_spacing_by_hand() -> None:
    np.testing.assert_allclose(
        quantile_spacing(STANDARD_AXIS, 3, 0.05), [-1.6448536269514729, 0.0, 1.6448536269514722], atol=1e-12
    )
    np.testing.assert_allclose(quantile_spacing(Axis(array(1.0), array(5.0), array(2.0)), 1, 0.05), [5.0])


def test_linear_spacing_by_hand() -> None:
    axis = Axis(array(1.0), array(5.0), array(2.0))
    np.testing.assert_allclose(linear_spacing(axis, 5, 4.0), [-3, 1, 5, 9, 13])
    np.testing.assert_allclose(linear_spacing(axis, 1, 4.0), [5])


def test_a_grid_runs_right_along_the_first_dimension_and_up_along_the_second() -> None:
    codes = grid(array(7, 8, 9), (2, 0), (array(1, 2, 3), array(-1, 1)))
    assert codes.tolist() == [[1, 8, 1], [1, 8, 2], [1, 8, 3], [-1, 8, 1], [-1, 8, 2], [-1, 8, 3]]


def test_a_grid_over_one_dimension_is_a_strip() -> None:
    assert grid(array(7, 8), (1,), (array(1, 2),)).tolist() == [[7, 1], [7, 2]]
