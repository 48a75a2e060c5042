"""Convolutions of few output channels, the last layers of decoders, as wide ones: the kernels, and when they pay.

A vector of the CPU holds 16 numbers, and a convolution computes so many output channels whether it has them or not: of
a greyscale decoder's last layer 15 in 16 are thrown away. In their place the pixels of a small block of the output, up
to 4 × 4, become the channels of a convolution that steps from block to block. A transposed convolution becomes a plain
one on the way (Shi et al. 2016, arXiv:1609.07009).

Knows nothing of a runtime.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LANES = 16
"""float32 numbers in a vector (AVX-512). Where a vector holds 8 of them, the same blocks gain less and lose nothing."""
_LARGEST_BLOCK = 4
_TRANSPOSED, _PLAIN = 2.0, 0.75
"""How much what replaces it may multiply for each multiplication of a convolution: transposed ones are measured to take
twice as long for the same."""

Taps = dict[int, int]
"""Where an output pixel reads: offset in the input, from where its block begins there -> index into the kernel."""


class Axis(NamedTuple):
    """What a block of outputs reads along one axis."""

    phases: tuple[Taps, ...]
    """Of each output of the block."""
    step: int
    """From block to block, in the input."""
    first: int
    """The least offset."""
    extent: int
    """From the least offset to the greatest."""


def axis(size: int, stride: int, pad: int, block: int, *, transposed: bool) -> Axis:
    """Along an axis of a kernel of that `size`; `pad` is before the first. Plain convolutions have stride 1."""
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
    """(out, in, height, width) -> (block · block · out, in, height', width'), zero where a pixel reads nothing."""
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
    """A convolution that may be widened."""

    kernel: NDArray[np.float32]
    """(out, in, height, width)"""
    stride: int
    pads: tuple[int, ...]
    """Before the first row and column."""
    given: tuple[int, ...]
    """Rows and columns of its input."""
    wanted: tuple[int, ...]
    """Of its output."""
    transposed: bool

    def axes(self, block: int) -> tuple[Axis, Axis]:
        """Rows and columns in blocks of so many outputs."""
        sizes = self.kernel.shape[2:]
        rows, columns = (
            axis(size, self.stride, pad, block, transposed=self.transposed)
            for size, pad in zip(sizes, self.pads, strict=True)
        )
        return rows, columns

    def cost(self, block: int) -> float:
        """Multiplications of an output pixel and an input channel in blocks of that size, unused lanes included."""
        rows, columns = self.axes(block)
        return _in_vectors(block * block * len(self.kernel)) * rows.extent * columns.extent / (block * block)

    def own_cost(self) -> float:
        """The same, as it is."""
        height, width = self.kernel.shape[2:]
        taps: int = height * width
        return _in_vectors(len(self.kernel)) * taps / (self.stride * self.stride)

    def best_block(self) -> int | None:
        """The block of the least cost, if it is low enough."""
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
