"""Codes for pictures of the latent space: grids over two dimensions, and lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm

from model_store.arrays import Float32, Float64

Spacing = Literal["quantiles", "linear"]

QUANTILES = (0.05, 0.95)
LINEAR_REACH = 4.0
_CODE_QUANTILES = (0.005, 0.995)
_LINE_POINTS = 200
_NET_LINES = 15


@dataclass(frozen=True)
class CodeGrid:
    """Codes (rows, columns, d), rows downwards, over one or two dimensions of the code."""

    codes: Float32
    axes: tuple[str, str | None]
    title: str


def widest(z_mean: Float32) -> list[int]:
    """Find the one or two dimensions of codes (n, d) that vary most, in ascending order."""
    return sorted(int(i) for i in np.argsort(-z_mean.var(axis=0))[:2])


def code_grid(z_mean: Float32, *, gaussian: bool, side: int, spacing: Spacing = "quantiles") -> CodeGrid:
    """Make side × side codes over the two widest dimensions of the training codes (n, d); 1 × side for a 1-d code.

    Gaussian codes stand at the prior's quantiles from 5 to 95 %, or evenly from -4 to 4, with the other dimensions 0.
    Deterministic ones stand at the training codes' own quantiles, or evenly between their 0.5 and 99.5 %, with the
    others at their mean.
    """
    dimensions = z_mean.shape[1]
    over = widest(z_mean)
    base = np.zeros(dimensions) if gaussian else z_mean.mean(axis=0)
    grid = np.tile(base, (side if dimensions > 1 else 1, side, 1)).astype(np.float32)
    grid[:, :, over[0]] = _axis(z_mean[:, over[0]], gaussian=gaussian, side=side, spacing=spacing)
    if dimensions > 1:
        grid[:, :, over[1]] = _axis(z_mean[:, over[1]], gaussian=gaussian, side=side, spacing=spacing)[::-1, None]
    low, high = (round(100 * q) for q in QUANTILES)
    title = {
        (True, "quantiles"): f"the prior's {low} % to {high} % quantiles",
        (False, "quantiles"): f"the training codes' {low} % to {high} % quantiles",
        (True, "linear"): f"−{LINEAR_REACH:g} to {LINEAR_REACH:g}, evenly",
        (False, "linear"): "the training codes' 0.5 % to 99.5 % quantiles, evenly",
    }[gaussian, spacing]
    axes = (f"z[{over[0]}]", f"z[{over[1]}]" if dimensions > 1 else None)
    return CodeGrid(grid, axes, f"Decoded codes: {title}")


def code_lines(z_mean: Float32) -> list[Float32]:
    """Make lines of codes, each (m, d): the whole range of a 1-d code, or a net over the first two dimensions."""
    ends = np.quantile(z_mean, _CODE_QUANTILES, axis=0)
    if z_mean.shape[1] == 1:
        return [np.linspace(ends[0], ends[1], _LINE_POINTS).astype(np.float32)]
    lines: list[Float32] = []
    for along, across in ((0, 1), (1, 0)):
        for fixed in np.linspace(ends[0, across], ends[1, across], _NET_LINES):
            line = np.tile(z_mean.mean(axis=0), (_LINE_POINTS, 1)).astype(np.float32)
            line[:, along] = np.linspace(ends[0, along], ends[1, along], _LINE_POINTS)
            line[:, across] = fixed
            lines.append(line)
    return lines


def straight_line(start: Float32, end: Float32, steps: int) -> Float32:
    """Interpolate evenly from one array to another, ends included: both (…) -> (steps, …)."""
    shares = np.linspace(0.0, 1.0, steps, dtype=np.float32).reshape(-1, *([1] * start.ndim))
    return np.asarray((1.0 - shares) * start + shares * end, np.float32)


def _axis(values: Float32, *, gaussian: bool, side: int, spacing: Spacing) -> Float64:
    if spacing == "linear":
        low, high = (-LINEAR_REACH, LINEAR_REACH) if gaussian else np.quantile(values, _CODE_QUANTILES)
        return np.linspace(low, high, side)
    shares = np.linspace(*QUANTILES, side)
    return np.asarray(norm.ppf(shares) if gaussian else np.quantile(values.astype(np.float64), shares), np.float64)
