"""Convolutions of few output channels, the last layers of decoders, as wide ones.

A vector of the CPU holds 16 numbers, and a convolution computes so many output channels whether it has them or not: of
a greyscale decoder's last layer 15 in 16 are thrown away. In their place the pixels of a small block of the output, up
to 4 × 4, become the channels of a convolution that steps from block to block, and are put side by side afterwards. A
transposed convolution becomes a plain one on the way (Shi et al. 2016, arXiv:1609.07009), whose activation the plugin
computes in the same pass; that of a single channel it would compute number by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.engines.openvino_import import openvino
from service.engines.rewrites.graph import Model, Node, Port, constant, static, users

_LANES = 16
"""float32 numbers in a vector (AVX-512). Where a vector holds 8 of them, the same blocks gain less and lose nothing."""
_LARGEST_BLOCK = 4
_TRANSPOSED, _PLAIN = 2.0, 0.75
"""How much what replaces it may multiply for each multiplication of a convolution: transposed ones are measured to take
twice as long for the same."""
_ARITHMETIC = frozenset({"Add", "Subtract", "Multiply", "Divide", "Minimum", "Maximum", "Clamp"})
_ACTIVATIONS = frozenset({"Sigmoid", "Swish", "Relu", "PRelu", "Elu", "Tanh", "SoftPlus", "Gelu"})
_ELEMENTWISE = _ARITHMETIC | _ACTIVATIONS
"""What commutes with moving pixels, where whatever else it reads is a constant for all of a channel."""

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


def widen(model: Model) -> None:
    """Every narrow convolution that gains by it."""
    for node in model.get_ordered_ops():
        narrow = _narrow(node)
        block = None if narrow is None else narrow.best_block()
        if narrow is not None and block is not None:
            _replace(model, node, narrow, block)


def _narrow(node: Node) -> Narrow | None:
    kind = node.get_type_name()
    if kind not in ("Convolution", "ConvolutionBackpropData"):
        return None
    kernel = constant(node.input_value(1))
    given = static(node.input_value(0), slice(2, None))
    wanted = static(node.output(0), slice(2, None))
    if kernel is None or kernel.dtype != np.float32 or kernel.ndim != 4 or given is None or wanted is None:
        return None
    attributes, transposed = node.get_attributes(), kind == "ConvolutionBackpropData"
    strides = set(attributes["strides"])
    if set(attributes["dilations"]) != {1} or len(strides) != 1 or not (transposed or strides == {1}):
        return None
    # What `same` comes to is filled in, as the shapes are known.
    pads = (0, 0) if attributes["auto_pad"] == "valid" else tuple(attributes["pads_begin"])
    own = kernel.transpose(1, 0, 2, 3) if transposed else kernel
    return Narrow(own.astype(np.float32, copy=False), strides.pop(), pads, given, wanted, transposed)


def _replace(model: Model, node: Node, narrow: Narrow, block: int) -> None:
    opset = openvino.opset13
    axes = narrow.axes(block)
    before = [-along.first for along in axes]
    after = [
        (wanted // block - 1) * along.step + along.extent + along.first - given
        for along, given, wanted in zip(axes, narrow.given, narrow.wanted, strict=True)
    ]
    if min(*before, *after) < 0:
        return
    region = _followers(model, node, len(narrow.kernel))
    kernel = opset.constant(block_kernel(narrow.kernel, *axes))
    steps = [along.step for along in axes]
    wide = opset.convolution(node.input_value(0), kernel, steps, before, after, [1, 1])
    wide.set_friendly_name(node.get_friendly_name())
    for target in users(node):
        target.replace_source_output(wide.output(0))
    inside = {wide.get_name(), *(follower.get_name() for follower in region)}
    for follower in region:
        _repeat_constants(follower, block * block)
        follower.validate_and_infer_types()
    for source in (wide, *region):
        _put_side_by_side(source, block, inside)
    model.validate_nodes_and_infer_types()


def _followers(model: Model, node: Node, channels: int) -> list[Node]:
    """The elementwise nodes behind a convolution."""
    inside, followers = {node.get_name()}, []
    for other in model.get_ordered_ops():
        if other.get_type_name() not in _ELEMENTWISE:
            continue
        sources = other.input_values()
        within = [source.get_node().get_name() in inside for source in sources]
        if any(within) and all(
            is_within or _is_of_channels(constant(source), channels)
            for source, is_within in zip(sources, within, strict=True)
        ):
            inside.add(other.get_name())
            followers.append(other)
    return followers


def _is_of_channels(value: NDArray[np.generic] | None, channels: int) -> bool:
    """Whether it is one number, or one a channel."""
    if value is None or value.ndim > 4:
        return False
    return value.size == 1 or value.shape in ((1, channels, 1, 1), (channels, 1, 1))


def _repeat_constants(node: Node, times: int) -> None:
    """What a channel had, every pixel of its block has."""
    for target in node.inputs():
        value = constant(target.get_source_output())
        if value is not None and value.size > 1:
            repeats = (1,) * (value.ndim - 3) + (times, 1, 1)
            target.replace_source_output(openvino.opset13.constant(np.tile(value, repeats)).output(0))


def _put_side_by_side(source: Node, block: int, inside: set[str]) -> None:
    """Give those who are not `inside` what they read before."""
    outside: Sequence[Port] = [target for target in users(source) if target.get_node().get_name() not in inside]
    if block == 1 or not outside:
        return
    placed = openvino.opset13.depth_to_space(source, "blocks_first", block)
    for target in outside:
        target.replace_source_output(placed.output(0))
    names = source.output(0).get_names()
    source.output(0).set_names(set())
    placed.output(0).set_names(names)
