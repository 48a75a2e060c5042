"""What rewrites ask of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Model = Any
Node = Any
Port = Any
"""An input or an output of a node. openvino publishes no types."""


def constant(value: Port) -> NDArray[np.generic] | None:
    """The array behind an input, if it is a constant."""
    node = value.get_node()
    return np.asarray(node.data) if node.get_type_name() == "Constant" else None


def static(port: Port, dimensions: slice) -> tuple[int, ...] | None:
    """These dimensions of what is read or written there, if all of them are known."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return None
    chosen = list(shape)[dimensions]
    if any(dimension.is_dynamic for dimension in chosen):
        return None
    return tuple(dimension.get_length() for dimension in chosen)


def users(node: Node) -> list[Port]:
    """The inputs that read a node of one output."""
    return list(node.output(0).get_target_inputs())
