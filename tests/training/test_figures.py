"""The report's figures, and the codes that they decode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.figures.animation import animate_images
from training.figures.images import plot_image_rows, plot_image_table
from training.figures.vectors import plot_plane_manifold
from training.manifold import code_grid, code_lines, straight_line
from training.report.images import end_pairs
from training.report.vectors import principal_line

RNG = np.random.default_rng(0)


def test_a_grid_of_gaussian_codes_stands_at_the_priors_quantiles() -> None:
    z_mean = RNG.normal(size=(500, 3)).astype(np.float32) * np.array([1.0, 0.1, 2.0], np.float32)
    grid = code_grid(z_mean, gaussian=True, side=15)
    assert (grid.codes.shape, grid.axes) == ((15, 15, 3), ("z[0]", "z[2]"))
    assert grid.codes[:, :, 1].tolist() == np.zeros((15, 15)).tolist()
    np.testing.assert_allclose(grid.codes[14, :, 0][[0, 7, 14]], [-1.645, 0.0, 1.645], atol=1e-3)
    np.testing.assert_allclose(grid.codes[[0, 7, 14], 0, 2], [1.645, 0.0, -1.645], atol=1e-3)
    linear = code_grid(z_mean, gaussian=True, side=30, spacing="linear")
    assert (linear.codes.min(), linear.codes.max()) == (-4.0, 4.0)
    assert np.ptp(np.diff(linear.codes[0, :, 0])) < 1e-6


def test_a_grid_of_deterministic_codes_stands_where_the_codes_are() -> None:
    z_mean = np.linspace(10.0, 20.0, 1001, dtype=np.float32)[:, None]
    grid = code_grid(z_mean, gaussian=False, side=5)
    assert grid.codes.shape == (1, 5, 1)
    np.testing.assert_allclose(grid.codes[0, :, 0], [10.5, 12.75, 15.0, 17.25, 19.5], rtol=1e-5)
    linear = code_grid(z_mean, gaussian=False, side=3, spacing="linear").codes[0, :, 0]
    np.testing.assert_allclose(linear, [10.05, 15.0, 19.95], rtol=1e-5)


def test_lines_of_codes() -> None:
    assert [line.shape for line in code_lines(RNG.normal(size=(100, 1)).astype(np.float32))] == [(200, 1)]
    net = code_lines(RNG.normal(size=(100, 4)).astype(np.float32))
    assert (len(net), net[0].shape) == (30, (200, 4))
    middle = straight_line(np.zeros((2, 2), np.float32), np.full((2, 2), 4.0, np.float32), 5)[2]
    assert middle.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_the_ends_of_a_homotopy_are_least_alike() -> None:
    x = np.array([[0.0], [1.0], [5.0], [9.0], [4.0]], np.float32)
    assert end_pairs(x, np.array([0, 0, 0, 1, 1])) == [(0, 2), (0, 3)]
    assert end_pairs(x, None) == [(0, 3)]
    assert end_pairs(x[:2], np.array([0, 1])) == [(0, 1)]


def test_pcas_line_runs_between_the_outermost_items() -> None:
    along = np.linspace(-1.0, 1.0, 101)
    x = np.stack([3.0 * along, 4.0 * along], axis=1).astype(np.float32)
    ends = principal_line(x)
    assert sorted(ends[:, 0].tolist()) == pytest.approx([-3.0, 3.0], abs=1e-5)


def test_sheets_show_every_image(tmp_path: Path) -> None:
    white, black = np.ones((3, 4, 4, 1)), np.zeros((3, 4, 4, 1))
    plot_image_rows(tmp_path / "rows.png", [("white", white), ("black", black)], "rows")
    plot_image_table(tmp_path / "table.png", black, np.zeros((3, 2, 4, 4, 3))[..., :1], ["a", "b"], "table")
    for name, blacks in (("rows.png", 1), ("table.png", 3)):
        pixels = np.asarray(Image.open(tmp_path / name).convert("L"))
        dark = (pixels < 10).mean(axis=1) > 0.4  # rows of pixels that a black image crosses
        assert int((np.diff(dark.astype(int)) == 1).sum()) == blacks


def test_frames_are_captioned_and_the_last_one_stays(tmp_path: Path) -> None:
    sheets = [np.full((2, 3, 8, 8, 1), grey) for grey in (0.0, 0.5, 1.0)]
    animate_images(tmp_path / "a.gif", ["epoch 0", "epoch 1", "epoch 2"], sheets)
    with Image.open(tmp_path / "a.gif") as gif:
        assert (gif.size, getattr(gif, "n_frames", 1)) == ((420, 300), 3)
        gif.seek(2)
        assert gif.info["duration"] == 2500


def test_a_decoder_far_astray_does_not_shrink_the_data(tmp_path: Path) -> None:
    data = np.stack([np.linspace(0, 1, 50), np.zeros(50)], axis=1)
    for name, curve in (("near.png", data), ("far.png", data * 1e6)):
        plot_plane_manifold(tmp_path / name, data, [curve], ["x", "y"])
    near, far = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("near.png", "far.png"))
    assert near.shape == far.shape
    # The dots of the data stand at the same pixels, but for those that the curve covers.
    grey = np.all(np.abs(near.astype(int) - [154, 165, 177]) < 12, axis=-1)
    also = np.all(np.abs(far.astype(int) - [154, 165, 177]) < 12, axis=-1)
    assert grey.sum() > 0
    assert (grey & also).sum() > 0.5 * grey.sum()
