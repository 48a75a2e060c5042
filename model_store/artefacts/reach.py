"""What a graph's nodes reach: back through their inputs, and into every function that is named on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from model_store.artefacts.saved_model import Node
from model_store.errors import ArtefactUnreadable


class Root(str):
    """What a path begins with, such as a signature. A function may have the same name."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """A node that is reached, and the function that it stands in; the root where it stands in none."""

    node: Node
    within: str


class Reach:
    """Follows nodes and functions; each is reached once. Iterative: the depth of a file is no depth of calls."""

    def __init__(self, nodes: Mapping[str, Node], functions: Mapping[str, tuple[Node, ...]]) -> None:
        self._nodes, self._functions = nodes, functions
        self._callers: dict[str, str] = {}
        """The function, or the root, that each function was first called by."""
        self._seen: set[str] = set()
        self._called: list[str] = []

    @property
    def functions(self) -> frozenset[str]:
        """Names of the functions that are reached."""
        return frozenset(self._callers)

    def path_to(self, reached: Reached) -> list[str]:
        """The way to a node: the root, then the functions, each called by the one before."""
        path = [reached.within]
        while not isinstance(path[-1], Root):
            path.append(self._callers[path[-1]])
        return path[::-1]

    def from_nodes(self, names: Iterable[str], root: Root) -> Iterator[Reached]:
        """Nodes of the graph that are behind these, themselves included, and all that their functions hold."""
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self._seen:
                continue
            node = self._nodes.get(name)
            if node is None:
                raise ArtefactUnreadable(f"{root} reaches the node {name!r}, which is not there")
            self._seen.add(name)
            waiting += node.inputs
            yield self._visit(node, root)
        yield from self._in_functions()

    def from_functions(self, names: Iterable[str], root: Root) -> Iterator[Reached]:
        """Nodes of these functions, and of all that they call."""
        for name in names:
            self._call(name, root)
        yield from self._in_functions()

    def _visit(self, node: Node, within: str) -> Reached:
        for name in node.functions:
            self._call(name, within)
        return Reached(node, within)

    def _call(self, name: str, caller: str) -> None:
        if name not in self._functions:
            raise ArtefactUnreadable(f"{caller} calls the function {name!r}, which is not there")
        if name not in self._callers:
            self._callers[name] = caller
            self._called.append(name)

    def _in_functions(self) -> Iterator[Reached]:
        while self._called:
            name = self._called.pop()
            for node in self._functions[name]:  # all of them: what has an effect runs, whether it is read or not
                yield self._visit(node, name)
