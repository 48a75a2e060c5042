"""OpenVINO's graphs before and after the rewrite: they compute one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_store.arrays import Float32
from service.engines.openvino_import import openvino
from service.engines.openvino_models import UNPINNED
from service.engines.openvino_rewrite import Model, Node, widen

Tail = Callable[[Node, int], Node]
"""From a node and its channels to what follows it."""

op = openvino.opset13
CORE = openvino.Core()
CONFIG = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1", **UNPINNED}


def numbers(*shape: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).normal(scale=0.5, size=shape).astype(np.float32)


def answers(model: Model, x: Float32) -> dict[str, Float32]:
    """What a model says, by the names of its outputs."""
    compiled = CORE.compile_model(model, "CPU", CONFIG)
    request = compiled.create_infer_request()
    request.infer([x])
    return {port.get_any_name(): np.array(request.get_tensor(port).data) for port in compiled.outputs}


def kinds(model: Model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def agree(make: Callable[[], Model], *, batch: int = 3) -> tuple[Model, Model]:
    """Rewrite one of two equal models; both must say the same. Both are returned, the rewritten one last."""
    as_it_was, rewritten = make(), make()
    widen(rewritten)
    shape = [dimension.get_length() for dimension in list(as_it_was.input().get_partial_shape())[1:]]
    x = numbers(batch, *shape, seed=1)
    before, after = answers(as_it_was, x), answers(rewritten, x)
    assert list(before) == list(after)
    for name, outputs in before.items():
        np.testing.assert_allclose(after[name], outputs, rtol=1e-5, atol=1e-5)
    return as_it_was, rewritten


def bias(node: Node, channels: int) -> Node:
    return op.add(node, op.constant(numbers(1, channels, 1, 1, seed=3)))


def sigmoid(node: Node, channels: int) -> Node:
    return op.sigmoid(bias(node, channels))


def silu(node: Node, channels: int) -> Node:
    """As Keras exports it."""
    z = bias(node, channels)
    return op.multiply(z, op.sigmoid(op.multiply(op.constant(np.ones((1, 1, 1, 1), np.float32)), z)))


def normalised(node: Node, channels: int) -> Node:
    """A batch normalisation that is not folded yet."""
    scaled = op.multiply(op.constant(numbers(channels, 1, 1, seed=4)), bias(node, channels))
    return op.clamp(op.relu(scaled), 0.0, 6.0)


def leaky(node: Node, channels: int) -> Node:
    return op.prelu(bias(node, channels), op.constant(numbers(channels, seed=5)))


def read_twice(node: Node, channels: int) -> Node:
    """By something elementwise and by something that is not."""
    z = bias(node, channels)
    pooled = op.reduce_mean(z, op.constant(np.array([2, 3])), True)
    return op.add(op.tanh(z), pooled)


def nothing(node: Node, channels: int) -> Node:  # noqa: ARG001 - a tail like the others
    return node


TAILS: dict[str, Tail] = {tail.__name__: tail for tail in (sigmoid, silu, normalised, leaky, read_twice, nothing)}


def narrow(
    into: int,
    out: int,
    size: tuple[int, int],
    kernel: int,
    stride: int,
    *,
    transposed: bool,
    pads: str | tuple[int, int] = "same_upper",
    tail: Tail = sigmoid,
    channels_last: bool = True,
) -> Model:
    """A model of one convolution over (n, height, width, in) and what follows it; `pads` are explicit where they are
    numbers: before and after."""
    x = op.parameter([-1, *size, into] if channels_last else [-1, into, *size], np.float32)
    images = op.transpose(x, op.constant(np.array([0, 3, 1, 2]))) if channels_last else x
    auto, before, after = ("explicit", *pads) if isinstance(pads, tuple) else (pads, 0, 0)
    spans = {"strides": [stride] * 2, "pads_begin": [before] * 2, "pads_end": [after] * 2, "dilations": [1, 1]}
    if transposed:
        weights = op.constant(numbers(into, out, kernel, kernel, seed=2))
        if auto == "explicit":
            node = op.convolution_backprop_data(images, weights, **spans)
        else:
            wanted = op.constant(np.array([side * stride for side in size]))
            node = op.convolution_backprop_data(images, weights, output_shape=wanted, auto_pad=auto, **spans)
    else:
        weights = op.constant(numbers(out, into, kernel, kernel, seed=2))
        node = op.convolution(images, weights, auto_pad=auto, **spans)
    followed = tail(node, out)
    answer = op.transpose(followed, op.constant(np.array([0, 2, 3, 1]))) if channels_last else followed
    answer.output(0).set_names({"outputs"})
    return openvino.Model([answer], [x])


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `narrow`."""
    kernel, transposed = draw(st.integers(1, 5)), draw(st.booleans())
    stride = draw(st.integers(1, 3))
    margin = st.integers(0, (kernel - 1) // 2)
    pads: st.SearchStrategy[Any] = st.tuples(margin, margin)
    if kernel >= stride:
        pads = st.one_of(st.sampled_from(["same_upper", "same_lower"]), pads)
    return {
        "into": draw(st.integers(1, 4)),
        "out": draw(st.integers(1, 17)),
        "size": (draw(st.integers(5, 9)), draw(st.integers(5, 9))),
        "kernel": kernel,
        "stride": stride,
        "transposed": transposed,
        "pads": draw(pads),
        "tail": TAILS[draw(st.sampled_from(sorted(TAILS)))],
        "channels_last": draw(st.booleans()),
    }


@settings(max_examples=60)
@given(convolutions())
def test_convolutions_of_any_form_say_the_same(arguments: dict[str, Any]) -> None:
    agree(lambda: narrow(**arguments))


@pytest.mark.parametrize(
    ("out", "size", "kernel", "stride", "steps", "channels"),
    [
        (1, (14, 14), 3, 2, 2, 16),  # the default decoder's last layer: blocks of 4 x 4
        (16, (7, 7), 3, 2, 1, 64),  # and the one before
        (1, (28, 28), 3, 1, 4, 16),
        (3, (16, 16), 4, 2, 1, 12),
        (1, (7, 9), 3, 2, 1, 4),  # 14 rows and 18 columns: blocks of 2 x 2 alone
        (1, (5, 7), 3, 1, 1, 1),  # no block but a pixel, and no transposition
    ],
)
@pytest.mark.parametrize("tail", [sigmoid, silu, normalised], ids=lambda tail: str(tail.__name__))
def test_transposed_convolutions_of_few_channels_become_plain_ones(
    out: int, size: tuple[int, int], kernel: int, stride: int, steps: int, channels: int, tail: Tail
) -> None:
    _, rewritten = agree(
        lambda: narrow(16, out, size, kernel, stride, transposed=True, pads="same_lower", tail=tail), batch=5
    )
    assert "ConvolutionBackpropData" not in kinds(rewritten)
    assert kinds(rewritten).count("DepthToSpace") == (channels > out)
    (wide,) = (node for node in rewritten.get_ordered_ops() if node.get_type_name() == "Convolution")
    assert wide.get_attributes()["strides"] == [steps, steps]
    assert wide.input_value(1).get_node().data.shape[0] == channels
    if "DepthToSpace" in kinds(rewritten):  # whatever follows the convolution comes first: it is computed with it
        assert kinds(rewritten).index("DepthToSpace") > kinds(rewritten).index(
            "Sigmoid" if tail is not normalised else "Clamp"
        )


def test_plain_convolutions_of_few_channels_take_blocks() -> None:
    as_it_was, rewritten = agree(lambda: narrow(8, 1, (12, 12), 3, 1, transposed=False))
    assert "DepthToSpace" not in kinds(as_it_was)
    assert "DepthToSpace" in kinds(rewritten)


@pytest.mark.parametrize(
    "wide",
    [
        {"out": 32, "size": (7, 7), "kernel": 3, "stride": 2, "transposed": True},
        {"out": 16, "size": (7, 7), "kernel": 4, "stride": 2, "transposed": True},
        {"out": 16, "size": (14, 14), "kernel": 3, "stride": 1, "transposed": False},
        {"out": 1, "size": (7, 7), "kernel": 3, "stride": 2, "transposed": True, "pads": (0, 0)},  # 15 x 15
        {"out": 1, "size": (13, 13), "kernel": 3, "stride": 1, "transposed": False},
        {"out": 1, "size": (12, 12), "kernel": 3, "stride": 2, "transposed": False},
    ],
    ids=str,
)
def test_what_would_gain_nothing_is_left_alone(wide: dict[str, Any]) -> None:
    as_it_was, rewritten = agree(lambda: narrow(into=8, **wide))
    assert kinds(rewritten) == kinds(as_it_was)


def test_what_reads_a_convolution_otherwise_gets_it_as_it_was() -> None:
    _, rewritten = agree(lambda: narrow(4, 1, (8, 8), 3, 2, transposed=True, tail=read_twice))
    assert "ConvolutionBackpropData" not in kinds(rewritten)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_a_model_answers_keeps_its_name(stride: int) -> None:
    as_it_was, rewritten = agree(
        lambda: narrow(4, 1, (5, 5), 3, stride, transposed=True, tail=nothing, channels_last=False)
    )
    assert kinds(rewritten) != kinds(as_it_was)
    assert rewritten.output().get_names() == {"outputs"}


def test_images_of_any_size_are_left_alone() -> None:
    def make() -> Model:
        x = op.parameter([-1, 2, -1, -1], np.float32)
        node = op.convolution(x, op.constant(numbers(1, 2, 3, 3)), [1, 1], [1, 1], [1, 1], [1, 1])
        return openvino.Model([op.sigmoid(node)], [x])

    as_it_was, rewritten = make(), make()
    widen(rewritten)
    assert kinds(rewritten) == kinds(as_it_was)


def test_two_in_a_row_are_both_rewritten() -> None:
    def decoder() -> Model:
        x = op.parameter([-1, 7, 7, 8], np.float32)
        node = op.transpose(x, op.constant(np.array([0, 3, 1, 2])))
        for into, out, side in ((8, 16, 14), (16, 1, 28)):
            weights = op.constant(numbers(into, out, 3, 3, seed=out))
            shape = op.constant(np.array([side, side]))
            node = op.convolution_backprop_data(
                node, weights, strides=[2, 2], output_shape=shape, auto_pad="same_lower"
            )
            node = silu(node, out)
        answer = op.transpose(node, op.constant(np.array([0, 2, 3, 1])))
        answer.output(0).set_names({"outputs"})
        return openvino.Model([answer], [x])

    _, rewritten = agree(decoder)
    assert "ConvolutionBackpropData" not in kinds(rewritten)
    assert kinds(rewritten).count("DepthToSpace") == 2
