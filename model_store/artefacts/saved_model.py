"""Reads saved_model.pb as far as a scan needs it: nodes, functions, signatures, and what the loader is told to run.

No TensorFlow: the fields' numbers are those of the .proto files in tensorflow/core/protobuf (saved_model, meta_graph,
saver, saved_object_graph) and tensorflow/core/framework (graph, function, node_def, attr_value, tensor, tensor_shape),
https://github.com/tensorflow/tensorflow, Apache-2.0. They never change: old files have to stay readable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from model_store.artefacts.wire_format import Budget, Message
from model_store.errors import ArtefactUnreadable

SERVING = "serving_default"
INIT = "__saved_model_init_op"
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")

MAX_GRAPH_BYTES = 256 * 2**20
MAX_NODES = 200_000
MAX_FUNCTIONS = 10_000
MAX_CONSTANT_BYTES = 2**30
"""Of all constants together, as they are in memory: a shape and one number make a constant of any size."""
_MAX_DEPTH = 8
"""Of functions' names that stand in the attributes of functions' names; one level is in use."""

_MAX_DIMENSIONS = 254
"""TensorFlow's own limit."""
_WIDTHS = {3: 4, 1: 4, 2: 8, 9: 8, 4: 1, 5: 2, 6: 1, 8: 8, 10: 1, 14: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8}
"""Bytes of an element by tensorflow's DataType; 16 for all others."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph: what it computes, of which others' results, with which functions."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    """Names of nodes, of the arguments too in a function; control inputs included."""
    functions: tuple[str, ...]
    """Functions that its attributes name: what it calls, its branches, its loop's body."""


@dataclass(frozen=True)
class Objects:
    """What the object graph says of functions. TensorFlow's loader follows it, and not the signature."""

    serving: frozenset[str]
    """Functions that the loader gives out as the serving signature."""
    named: frozenset[str]
    """Functions that any object names. The loader may call each while it loads: an object may name one as its
    initialiser, or as what restores it."""


@dataclass(frozen=True)
class SavedModel:
    """The one graph of a SavedModel."""

    nodes: dict[str, Node]
    functions: dict[str, tuple[Node, ...]]
    outputs: tuple[str, ...]
    """Nodes whose results are the serving signature's outputs."""
    initialisers: tuple[str, ...]
    """Nodes that are run when the graph is loaded."""
    saver: tuple[str, ...]
    """Nodes that save and restore variables; no engine here runs them."""
    objects: Objects | None
    """None for what TensorFlow 1 saved."""


def parse_saved_model(data: bytes) -> SavedModel:
    """Read the bytes of saved_model.pb. Raises ArtefactUnreadable for what is malformed, ambiguous or too large."""
    if len(data) > MAX_GRAPH_BYTES:
        raise ArtefactUnreadable(f"it has {len(data)} bytes; at most {MAX_GRAPH_BYTES} are read")
    graphs = list(Message(data, Budget()).messages(2))
    if len(graphs) != 1:
        raise ArtefactUnreadable(f"it holds {len(graphs)} graphs, not one")
    graph, definition = graphs[0], graphs[0].message(2)
    constants = _Constants()
    nodes = _by_name(_nodes(definition, 1, constants))
    functions = _functions(definition.message(2), constants)
    if clashing := sorted(functions.keys() & {node.operation for node in _all_nodes(nodes, functions)}):
        raise ArtefactUnreadable(f"a function is called as the operation {clashing[0]!r}")
    signatures = graph.by_name(5)
    if SERVING not in signatures:
        raise ArtefactUnreadable(f"it has no signature {SERVING}")
    outputs = tuple(_node_of(tensor) for tensor in _tensors(signatures[SERVING]))
    if not outputs:
        raise ArtefactUnreadable(f"its signature {SERVING} has no output")
    saver = graph.message(3)
    return SavedModel(
        nodes=nodes,
        functions=functions,
        outputs=outputs,
        initialisers=tuple(_node_of(name) for name in _initialisers(graph, signatures)),
        saver=tuple(_node_of(saver.text(number)) for number in (1, 2, 3) if saver.text(number)),
        objects=_objects(graph.message(7)) if graph.has(7) else None,
    )


class _Constants:
    """Adds up the constants of a file."""

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, tensor: Message) -> None:
        dimensions = [dimension.integer(1) for dimension in tensor.message(2).messages(2)]
        if len(dimensions) > _MAX_DIMENSIONS:
            raise ArtefactUnreadable(f"a constant has {len(dimensions)} dimensions")
        self._bytes += _WIDTHS.get(tensor.integer(1), 16) * prod(dimensions)
        if self._bytes > MAX_CONSTANT_BYTES:
            raise ArtefactUnreadable(f"its constants take more than {MAX_CONSTANT_BYTES} bytes")


def _nodes(holder: Message, number: int, constants: _Constants) -> Iterator[Node]:
    for message in holder.messages(number):
        functions: list[str] = []
        for value in message.by_name(5).values():
            functions += _functions_named(value, constants)
        yield Node(
            name=message.text(1),
            operation=message.text(2),
            inputs=tuple(_node_of(name) for name in message.texts(3)),
            functions=tuple(functions),
        )


def _by_name(nodes: Iterator[Node]) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node in nodes:
        if node.name in found:
            raise ArtefactUnreadable(f"two nodes are called {node.name!r}")
        found[node.name] = node
        if len(found) > MAX_NODES:
            raise ArtefactUnreadable(f"it has more than {MAX_NODES} nodes")
    return found


def _functions(library: Message, constants: _Constants) -> dict[str, tuple[Node, ...]]:
    found: dict[str, tuple[Node, ...]] = {}
    nodes = 0
    for function in library.messages(1):
        name = function.message(1).text(1)
        if name in found:
            raise ArtefactUnreadable(f"two functions are called {name!r}")
        found[name] = tuple(_by_name(_nodes(function, 3, constants)).values())
        nodes += len(found[name])
        if len(found) > MAX_FUNCTIONS or nodes > MAX_NODES:
            raise ArtefactUnreadable(f"it has more than {MAX_FUNCTIONS} functions, or {MAX_NODES} nodes in them")
    return found


def _functions_named(value: Message, constants: _Constants) -> Iterator[str]:
    """Names of functions in an attribute's value, and in the attributes that are bound to those functions."""
    values = [(value, 0)]
    while values:
        value, depth = values.pop()
        if depth > _MAX_DEPTH:
            raise ArtefactUnreadable(f"functions are named {depth} deep in attributes")
        tensors = [value.message(8)] if value.has(8) else []
        functions = [value.message(10)] if value.has(10) else []
        if value.has(1):
            listed = value.message(1)
            tensors += listed.messages(8)
            functions += listed.messages(9)
        for tensor in tensors:
            constants.add(tensor)
        for function in functions:
            yield function.text(1)
            values += [(bound, depth + 1) for bound in function.by_name(2).values()]


def _all_nodes(nodes: dict[str, Node], functions: dict[str, tuple[Node, ...]]) -> Iterator[Node]:
    yield from nodes.values()
    for body in functions.values():
        yield from body


def _tensors(signature: Message) -> Iterator[str]:
    for name, tensor in signature.by_name(2).items():
        if tensor.has(4) or tensor.has(5):
            raise ArtefactUnreadable(f"its output {name} is no dense tensor")
        yield tensor.text(1)


def _initialisers(graph: Message, signatures: dict[str, Message]) -> Iterator[str]:
    if INIT in signatures:
        yield from _tensors(signatures[INIT])
    collections = graph.by_name(4)
    for name in _INIT_COLLECTIONS:
        if name in collections:
            yield from collections[name].message(1).texts(1)


def _objects(graph: Message) -> Objects:
    children: list[dict[str, set[int]]] = []
    functions: list[set[str]] = []
    for saved in graph.messages(1):
        of_this: dict[str, set[int]] = {}
        for child in saved.messages(1):
            of_this.setdefault(child.text(2), set()).add(child.integer(1))
        children.append(of_this)
        named = {*saved.message(6).texts(1), saved.message(8).text(1), saved.message(12).text(2)}
        functions.append(named - {""})
    serving: set[str] = set()
    for signatures in _followed(children, {0}, "signatures"):
        for function in _followed(children, {signatures}, SERVING):
            serving |= functions[function]
    return Objects(frozenset(serving), frozenset(name for named in functions for name in named))


def _followed(children: list[dict[str, set[int]]], origins: set[int], name: str) -> set[int]:
    """Objects that these objects have as children of a name."""
    found = {child for origin in origins if origin < len(children) for child in children[origin].get(name, ())}
    if any(child >= len(children) for child in found):
        raise ArtefactUnreadable(f"its objects have no number {max(found)}")
    return found


def _node_of(tensor: str) -> str:
    """The node of a tensor's name: `^name` is a control input, `name:1` a second output, `name:out:0` a function's."""
    return tensor.removeprefix("^").partition(":")[0]
