"""Scans a SavedModel: what the serving signature reaches, and what TensorFlow's loader could run besides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from model_store.artefacts.reach import Reach, Reached, Root
from model_store.artefacts.reasons import is_known
from model_store.artefacts.refusals import refuse
from model_store.artefacts.results import Scan
from model_store.artefacts.saved_model import INIT, SERVING, SavedModel, parse_saved_model
from model_store.artefacts.tensorflow_operations import ALLOWED, SAVER
from model_store.errors import ArtefactUnreadable, ForbiddenOperation, StoreError


def scan_saved_model(data: bytes) -> Scan:
    """Scan the bytes of saved_model.pb. Raises ForbiddenOperation or ArtefactUnreadable.

    Held to the list of allowed operations are the serving signature, by the graph and by the objects, and what is run
    when the graph is loaded. What is wrong with anything else bars TensorFlow's loader alone.
    """
    model = parse_saved_model(data)
    reach = Reach(model.nodes, model.functions)
    operations: Counter[str] = Counter()
    refused: list[Reached] = []
    for reached in _run(model, reach):
        operation = reached.node.operation
        operations[operation] += 1
        if operation not in ALLOWED and (not refused or is_known(operation)):
            refused.append(reached)
            if is_known(operation):
                break
    if refused:  # what is known to do harm says more than what is only unknown
        raise refuse(refused[-1].node.operation, refused[-1].node.name, reach.path_to(refused[-1]))
    return Scan("SavedModel", operations, _not_for_tensorflow(model, reach.functions))


def _run(model: SavedModel, reach: Reach) -> Iterator[Reached]:
    """What runs at a request, and what is run when the graph is loaded."""
    yield from reach.from_nodes(model.outputs, Root(SERVING))
    if model.objects is not None:
        yield from reach.from_functions(model.objects.serving, Root(SERVING))
    yield from reach.from_nodes(model.initialisers, Root(INIT))


def _not_for_tensorflow(model: SavedModel, served: frozenset[str]) -> StoreError | None:
    """Why TensorFlow may not load a SavedModel whose signature is sound; None if it may.

    Its loader brings every function to life, and may run any that an object names. So all of them are held to the
    list; only those that save and restore variables may do what it takes, unless something else names them too.
    """
    if model.objects is None:
        return ArtefactUnreadable("it has no objects: TensorFlow 1 saved it")
    saving = Reach(model.nodes, model.functions)
    try:
        for _ in saving.from_nodes(model.saver, Root("saver")):
            pass
        excused = saving.functions - served - model.objects.named
        for name, nodes in model.functions.items():
            for node in nodes:
                if node.operation not in ALLOWED and not (name in excused and node.operation in SAVER):
                    return refuse(node.operation, node.name, [name])
    except (ArtefactUnreadable, ForbiddenOperation) as error:
        return error
    return None
