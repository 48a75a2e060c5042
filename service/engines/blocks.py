"""Rewrites convolutions with few output channels as convolutions with many: the new kernels, and when they are faster.

A vector of the CPU holds 16 numbers, and a convolution always computes a multiple of 16 output channels. For the last
layer of a greyscale decoder, 15 of 16 are thrown away. Instead, the pixels of a small block of the output, up to 4 × 4,
become the channels of a convolution that steps from block to block. A transposed convolution becomes a plain one by
this (Shi et al. 2016, arXiv:1609.07009).

Knows nothing of a runtime.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LANES = 16
"""float32 numbers in a vector (AVX-512). On a CPU with 8 in a vector, the rewrite gains less and loses nothing."""
_LARGEST_BLOCK = 4
_TRANSPOSED, _PLAIN = 2.0, 0.75
"""A rewrite is used if its multiplications are below this multiple of the original's: transposed convolutions were
measured to take twice as long for the same number."""

Taps = dict[int, int]
"""The input pixels of one output pixel: offset in the input from the start of the block -> index into the kernel."""


class Axis(NamedTuple):
    """The inputs that a block of outputs reads along one axis."""

    phases: tuple[Taps, ...]
    """The taps of each output of the block."""
    step: int
    """Input pixels from one block to the next."""
    first: int
    """The smallest offset."""
    extent: int
    """Number of input pixels from the smallest to the largest offset, both included."""


def axis(size: int, stride: int, pad: int, block: int, *, transposed: bool) -> Axis:
    """The inputs of blocks along an axis; kernel of `size`, `pad` at the start. Plain convolutions have stride 1."""
    if transposed:
        step = block // stride
        phases = tuple(
            {(phase + pad - k) // stride: k for k in range(size) if (phase + pad - k) % stride == 0}
            for phase in range(block)
        )
    else:
        step = block
        phases = tuple({phase + k - pad: k for k in range(size)} for phase in range(block))
    offsets = [offset for taps in phases for offset in taps]
    return Axis(phases, step, min(offsets), max(offsets) - min(offsets) + 1)


def block_kernel(kernel: NDArray[np.float32], rows: Axis, columns: Axis) -> NDArray[np.float32]:
    """The kernel of the wide convolution: (out, in, height, width) -> (block · block · out, in, height', width')."""
    out, into = kernel.shape[:2]
    block = len(rows.phases)
    wide = np.zeros((block, block, out, into, rows.extent, columns.extent), np.float32)
    for y, down in enumerate(rows.phases):
        for x, across in enumerate(columns.phases):
            for dy, ky in down.items():
                for dx, kx in across.items():
                    wide[y, x, :, :, dy - rows.first, dx - columns.first] = kernel[:, :, ky, kx]
    return wide.reshape(block * block * out, into, rows.extent, columns.extent)


class Narrow(NamedTuple):
    """A convolution with few output channels, which may be rewritten."""

    kernel: NDArray[np.float32]
    """(out, in, height, width)"""
    stride: int
    pads: tuple[int, ...]
    """Padding before the first row and the first column."""
    given: tuple[int, ...]
    """Rows and columns of the input."""
    wanted: tuple[int, ...]
    """Rows and columns of the output."""
    transposed: bool

    def axes(self, block: int) -> tuple[Axis, Axis]:
        """The inputs of blocks of `block` outputs, along rows and along columns."""
        sizes = self.kernel.shape[2:]
        rows, columns = (
            axis(size, self.stride, pad, block, transposed=self.transposed)
            for size, pad in zip(sizes, self.pads, strict=True)
        )
        return rows, columns

    def cost(self, block: int) -> float:
        """Multiplications for each output pixel and input channel with this block size, unused lanes included."""
        rows, columns = self.axes(block)
        return _in_vectors(block * block * len(self.kernel)) * rows.extent * columns.extent / (block * block)

    def own_cost(self) -> float:
        """Multiplications for each output pixel and input channel without a rewrite, unused lanes included."""
        height, width = self.kernel.shape[2:]
        taps: int = height * width
        return _in_vectors(len(self.kernel)) * taps / (self.stride * self.stride)

    def best_block(self) -> int | None:
        """The block size with the lowest cost; None where a rewrite would not be faster."""
        blocks = [
            block
            for block in range(self.stride, max(_LARGEST_BLOCK, self.stride) + 1, self.stride)
            if all(size % block == 0 for size in self.wanted)
        ]
        if not blocks or len(self.kernel) > _LANES:
            return None
        best = min(blocks, key=self.cost)
        worth = _TRANSPOSED if self.transposed else _PLAIN
        return best if self.cost(best) < worth * self.own_cost() else None


def _in_vectors(channels: int) -> int:
    return -(-channels // _LANES) * _LANES
