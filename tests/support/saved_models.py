"""Writes saved_model.pb byte by byte, without TensorFlow: what no exporter writes too.

A message is `bytes`; `field` adds one field to it, by its number in TensorFlow's .proto files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

SERVING, INIT = "serving_default", "__saved_model_init_op"


def varint(value: int) -> bytes:
    """An integer in base 128, the lowest digits first."""
    digits = bytearray()
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field: an integer, a text, or a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def mapped(number: int, entries: Mapping[str, bytes]) -> bytes:
    """A map from texts to messages."""
    return b"".join(field(number, field(1, key) + field(2, value)) for key, value in entries.items())


def function_named(name: str) -> bytes:
    """The value of an attribute that names a function."""
    return field(10, field(1, name))


def node(operation: str, name: str, *inputs: str, attributes: Mapping[str, bytes] | None = None) -> bytes:
    """One node of a graph, or of a function."""
    listed = b"".join(field(3, given) for given in inputs)
    return field(1, name) + field(2, operation) + listed + mapped(5, attributes or {})


def call(name: str, function: str, *inputs: str, operation: str = "PartitionedCall") -> bytes:
    """A node that calls a function."""
    return node(operation, name, *inputs, attributes={"f": function_named(function)})


def function(name: str, nodes: Iterable[bytes], attributes: Mapping[str, bytes] | None = None) -> bytes:
    """One function of the library."""
    return field(1, field(1, name)) + b"".join(field(3, each) for each in nodes) + mapped(5, attributes or {})


def signature(outputs: Sequence[str]) -> bytes:
    """A signature with these tensors as its outputs."""
    return mapped(2, {f"output_{i}": field(1, tensor) for i, tensor in enumerate(outputs)})


def constant(shape: Sequence[int], data_type: int = 1) -> bytes:
    """The value of an attribute that is a constant: a shape, and no number."""
    return field(8, field(1, data_type) + field(2, b"".join(field(2, field(1, size)) for size in shape)))


def objects(*functions: str, serving: str | None = None) -> bytes:
    """An object graph: a root whose children are functions, and `signatures` with the one that serves."""
    root = b"".join(field(1, field(1, i + 3) + field(2, f"function_{i}")) for i in range(len(functions)))
    signatures = b"" if serving is None else field(1, field(1, 2) + field(2, SERVING))
    served = field(8, field(1, serving or "none"))
    listed = (root + field(1, field(1, 1) + field(2, "signatures")), signatures, served)
    return b"".join(field(1, each) for each in (*listed, *(field(6, field(1, name)) for name in functions)))


def saved_model(
    nodes: Iterable[bytes],
    functions: Iterable[bytes] = (),
    *,
    outputs: Sequence[str] = ("outputs:0",),
    initialiser: str | None = None,
    saver: Sequence[str] = (),
    object_graph: bytes | None = None,
    signatures: Mapping[str, bytes] | None = None,
) -> bytes:
    """The bytes of saved_model.pb with one graph."""
    library = b"".join(field(1, each) for each in functions)
    graph = b"".join(field(1, each) for each in nodes) + field(2, library)
    named = {SERVING: signature(outputs)} if signatures is None else dict(signatures)
    if initialiser is not None:
        named[INIT] = signature([initialiser])
    meta = field(2, graph) + mapped(5, named)
    if saver:
        meta += field(3, b"".join(field(i + 1, name) for i, name in enumerate(saver)))
    if object_graph is not None:
        meta += field(7, object_graph)
    return field(1, 1) + field(2, meta)


def write_half(directory: Path, nodes: Iterable[bytes], functions: Iterable[bytes] = ()) -> Path:
    """Write a SavedModel into a directory, which is returned."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(saved_model(nodes, functions, object_graph=objects()))
    return directory
