"""Feature maps that are flattened into a dense layer, without turning them first.

TensorFlow flattens (n, height, width, channels), OpenVINO convolves (n, channels, height, width): in between it would
turn every feature map around. Turned is the dense layer's kernel in their place, once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.engines.openvino_import import openvino
from service.engines.rewrites.graph import Model, Node, Port, constant, static, users

_CHANNELS_LAST = [0, 2, 3, 1]


def flatten_as_they_lie(model: Model) -> None:
    """Transpose, Reshape, MatMul by constants -> Reshape, MatMul."""
    for transpose in model.get_ordered_ops():
        if transpose.get_type_name() == "Transpose" and _turns(transpose):
            for target in users(transpose):
                _flatten(transpose, target)
    model.validate_nodes_and_infer_types()


def _turns(transpose: Node) -> bool:
    order = constant(transpose.input_value(1))
    return order is not None and order.tolist() == _CHANNELS_LAST


def _flatten(transpose: Node, target: Port) -> None:
    reshape, lying = target.get_node(), transpose.input_value(0)
    image = static(lying, slice(1, 4))
    if image is None or reshape.get_type_name() != "Reshape" or target.get_index() != 0:
        return
    size = int(np.prod(image))
    if static(reshape.output(0), slice(1, None)) != (size,):
        return
    opset = openvino.opset13
    for reader in users(reshape):
        kernel = _kernel(reader)
        if kernel is not None:
            flat = opset.reshape(lying, opset.constant(np.array([0, size], np.int64)), special_zero=True)
            turned = opset.constant(turn_kernel(kernel, image))
            reader.replace_source_output(flat.output(0))
            reader.get_node().input(1).replace_source_output(turned.output(0))


def turn_kernel(kernel: NDArray[np.float32], image: tuple[int, ...]) -> NDArray[np.float32]:
    """Of a dense layer, (height·width·channels, units) -> (channels·height·width, units); `image` is as the latter."""
    channels, height, width = image
    apart = kernel.reshape(height, width, channels, -1)
    return np.ascontiguousarray(apart.transpose(2, 0, 1, 3)).reshape(kernel.shape)


def _kernel(reader: Port) -> NDArray[np.float32] | None:
    """That of the dense layer which reads, if it is one."""
    node = reader.get_node()
    if node.get_type_name() != "MatMul" or reader.get_index() != 0:
        return None
    if any(node.get_attributes()[name] for name in ("transpose_a", "transpose_b")):
        return None
    kernel = constant(node.input_value(1))
    return kernel.astype(np.float32, copy=False) if kernel is not None and kernel.dtype == np.float32 else None
