"""Rewrites convolutions with few output channels (see `blocks`) in an OpenVINO graph before it is compiled.

A depth-to-space operation after the wide convolution puts its pixels in place. Elementwise operations that follow the
original stay before it, so that the plugin fuses them into the convolution; for a single channel they would run number
by number. Graphs that are not recognised for certain are left unchanged. Results differ only by the order of float32
additions, and a version's goldens are replayed on the rewritten graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engines.blocks import Narrow, block_kernel
from service.engines.openvino_import import openvino

Model = Any
Node = Any
Port = Any
"""An input or an output of a node. openvino publishes no types."""

_ARITHMETIC = frozenset({"Add", "Subtract", "Multiply", "Divide", "Minimum", "Maximum", "Clamp"})
_ACTIVATIONS = frozenset({"Sigmoid", "Swish", "Relu", "PRelu", "Elu", "Tanh", "SoftPlus", "Gelu"})
_ELEMENTWISE = _ARITHMETIC | _ACTIVATIONS
"""Operations that may run before pixels are moved, if their other inputs are constants for a whole channel."""


def widen(model: Model) -> None:
    """Rewrite every convolution of an openvino.Model that gets faster by it."""
    for node in model.get_ordered_ops():
        narrow = _narrow(node)
        block = None if narrow is None else narrow.best_block()
        if narrow is not None and block is not None:
            _replace(model, node, narrow, block)


def _narrow(node: Node) -> Narrow | None:
    kind = node.get_type_name()
    if kind not in ("Convolution", "ConvolutionBackpropData"):
        return None
    kernel = _constant(node.input_value(1))
    given, wanted = _sides(node.input_value(0)), _sides(node.output(0))
    if kernel is None or kernel.dtype != np.float32 or kernel.ndim != 4 or given is None or wanted is None:
        return None
    attributes, transposed = node.get_attributes(), kind == "ConvolutionBackpropData"
    strides = set(attributes["strides"])
    if set(attributes["dilations"]) != {1} or len(strides) != 1 or not (transposed or strides == {1}):
        return None
    # With `same` padding OpenVINO has filled in the pads, because the shapes are known.
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
    node.output(0).replace(wide.output(0))  # its names too
    inside = {wide.get_name(), *(follower.get_name() for follower in region)}
    for follower in region:
        _repeat_constants(follower, block * block)
        follower.validate_and_infer_types()
    for source in (wide, *region):
        _put_side_by_side(source, block, inside)
    model.validate_nodes_and_infer_types()


def _followers(model: Model, node: Node, channels: int) -> list[Node]:
    """The elementwise nodes that follow a convolution and may run before pixels are moved."""
    inside, followers = {node.get_name()}, []
    for other in model.get_ordered_ops():
        if other.get_type_name() not in _ELEMENTWISE:
            continue
        sources = other.input_values()
        within = [source.get_node().get_name() in inside for source in sources]
        if any(within) and all(
            is_within or _is_of_channels(_constant(source), channels)
            for source, is_within in zip(sources, within, strict=True)
        ):
            inside.add(other.get_name())
            followers.append(other)
    return followers


def _is_of_channels(value: NDArray[np.generic] | None, channels: int) -> bool:
    """Whether a constant is one number, or one number for each channel."""
    if value is None or value.ndim > 4:
        return False
    return value.size == 1 or value.shape in ((1, channels, 1, 1), (channels, 1, 1))


def _repeat_constants(node: Node, times: int) -> None:
    """Repeat a node's constants for each channel, so that every pixel of a block has its channel's constant."""
    for target in node.inputs():
        value = _constant(target.get_source_output())
        if value is not None and value.size > 1:
            repeats = (1,) * (value.ndim - 3) + (times, 1, 1)
            target.replace_source_output(openvino.opset13.constant(np.tile(value, repeats)).output(0))


def _put_side_by_side(source: Node, block: int, inside: set[str]) -> None:
    """Give the nodes that are not `inside` their input in its original layout, by a depth-to-space operation."""
    outside = [target for target in source.output(0).get_target_inputs() if target.get_node().get_name() not in inside]
    if block == 1 or not outside:
        return
    placed = openvino.opset13.depth_to_space(source, "blocks_first", block)
    for target in outside:
        target.replace_source_output(placed.output(0))
    names = source.output(0).get_names()
    source.output(0).set_names(set())
    placed.output(0).set_names(names)


def _constant(value: Port) -> NDArray[np.generic] | None:
    """The array of an input that is a constant; else None."""
    node = value.get_node()
    return np.asarray(node.data) if node.get_type_name() == "Constant" else None


def _sides(images: Port) -> tuple[int, ...] | None:
    """Rows and columns of images (n, channels, rows, columns); None where they are not known."""
    shape = images.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    sides = list(shape)[2:]
    return None if any(side.is_dynamic for side in sides) else tuple(side.get_length() for side in sides)
