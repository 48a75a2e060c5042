"""Scans an ONNX model: every node of its graph, of the graphs in attributes, and of its functions.

The fields' numbers are those of onnx/onnx.proto, https://github.com/onnx/onnx, Apache-2.0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath

from model_store.artefacts.onnx_operations import ALLOWED
from model_store.artefacts.refusals import refuse, shown
from model_store.artefacts.results import Scan
from model_store.artefacts.saved_model import MAX_CONSTANT_BYTES, MAX_FUNCTIONS, MAX_GRAPH_BYTES, MAX_NODES
from model_store.artefacts.wire_format import Budget, Message
from model_store.errors import ArtefactUnreadable, UnsafePath
from model_store.files import words

_STANDARD = ("", "ai.onnx")
_EXTERNAL = 1
_MAX_DEPTH = 32
"""Of graphs in the attributes of nodes, as loops and branches have."""
_MAX_DIMENSIONS = 254
_LOCATION = re.compile(r"[\w./ -]{1,512}", re.ASCII)
_WIDTHS = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Bytes of an element by onnx's DataType; 16 for all others."""


def scan_onnx(data: bytes, directory: Path) -> Scan:
    """Scan the bytes of an .onnx file that stands in `directory`.

    Raises ForbiddenOperation, ArtefactUnreadable, or UnsafePath where weights stand outside the directory.
    """
    if len(data) > MAX_GRAPH_BYTES:
        raise ArtefactUnreadable(f"it has {len(data)} bytes; at most {MAX_GRAPH_BYTES} are read")
    model = Message(data, Budget())
    if not model.has(7):
        raise ArtefactUnreadable("it holds no graph")
    return _Scanner(model, directory).scan()


class _Scanner:
    def __init__(self, model: Message, directory: Path) -> None:
        self._model, self._directory = model, directory
        self._own: set[tuple[str, str]] = set()
        """Domain and name of the functions that the model defines itself."""
        self._operations: Counter[str] = Counter()
        self._constant_bytes = self._nodes = 0

    def scan(self) -> Scan:
        functions = list(self._model.messages(25))
        if len(functions) > MAX_FUNCTIONS:
            raise ArtefactUnreadable(f"it has more than {MAX_FUNCTIONS} functions")
        for function in functions:
            domain, name = function.text(10), function.text(1)
            if domain in _STANDARD:
                raise ArtefactUnreadable(f"it defines a function {shown(name)} in the standard's own domain")
            self._own.add((domain, name))
        waiting = [(function, 7, [function.text(1)]) for function in functions]
        waiting.append((self._model.message(7), 1, ["graph"]))
        while waiting:
            holder, nodes, path = waiting.pop()
            if len(path) > _MAX_DEPTH:
                raise ArtefactUnreadable(f"graphs stand in graphs, {_MAX_DEPTH} deep")
            if nodes == 1:
                self._take_tensors(holder, 5, 15)
            for node in holder.messages(nodes):
                self._take(node, path)
                waiting += [(graph, 1, [*path, node.text(4)]) for graph in self._graphs(node)]
        return Scan("ONNX", self._operations)

    def _take(self, node: Message, path: list[str]) -> None:
        operation, domain = node.text(4), node.text(7)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ArtefactUnreadable(f"it has more than {MAX_NODES} nodes")
        if domain not in _STANDARD:
            operation = f"{domain}.{operation}"
            if (domain, node.text(4)) not in self._own:
                raise refuse(operation, node.text(3), path, "is no operation of the ONNX standard")
        elif operation not in ALLOWED:
            raise refuse(operation, node.text(3), path)
        self._operations[operation] += 1

    def _graphs(self, node: Message) -> Iterator[Message]:
        for attribute in node.messages(5):
            self._take_tensors(attribute, 5, 22)
            self._take_tensors(attribute, 10, 23)
            yield from attribute.messages(6)
            yield from attribute.messages(11)

    def _take_tensors(self, holder: Message, dense: int, sparse: int) -> None:
        for tensor in holder.messages(dense):
            self._take_tensor(tensor)
        for both in holder.messages(sparse):
            for part in (1, 2):
                self._take_tensor(both.message(part))

    def _take_tensor(self, tensor: Message) -> None:
        dimensions = tensor.integers(1)
        if len(dimensions) > _MAX_DIMENSIONS:
            raise ArtefactUnreadable(f"a constant has {len(dimensions)} dimensions")
        self._constant_bytes += _WIDTHS.get(tensor.integer(2), 16) * prod(dimensions)
        if self._constant_bytes > MAX_CONSTANT_BYTES:
            raise ArtefactUnreadable(f"its constants take more than {MAX_CONSTANT_BYTES} bytes")
        if tensor.integer(14) == _EXTERNAL or tensor.has(13):
            for entry in tensor.messages(13):
                if entry.text(1) == "location":
                    self._check_location(entry.text(2))

    def _check_location(self, location: str) -> None:
        """Weights stand in a regular file of the directory, or of one below it; no link leads there."""
        path = PurePosixPath(location)
        if not _LOCATION.fullmatch(location) or path.is_absolute() or ".." in path.parts:
            raise UnsafePath(f"its weights stand in {location!r}, which is no plain path inside its directory")
        at = self._directory
        try:
            for part in path.parts:
                at = at / part
                if at.is_symlink():
                    raise UnsafePath(f"its weights stand in {location!r}, which is a link")
            found = at.is_file()
        except OSError as error:
            raise ArtefactUnreadable(
                f"its weights stand in {location!r}, which cannot be read ({words(error)})"
            ) from error
        if not found:
            raise ArtefactUnreadable(f"its weights stand in {location!r}, which is not there")
