"""SavedModels, written byte by byte: what is reached, what is refused, and what bars TensorFlow alone."""

from __future__ import annotations

import pytest

from model_store.artefacts import saved_model as reader
from model_store.artefacts.reasons import is_known, reason_of
from model_store.artefacts.scan_saved_model import scan_saved_model
from model_store.artefacts.tensorflow_operations import ALLOWED, SAVER
from model_store.errors import ArtefactUnreadable, ForbiddenOperation
from tests.support.saved_models import (
    INIT,
    SERVING,
    call,
    constant,
    field,
    function,
    function_named,
    node,
    objects,
    saved_model,
    signature,
)

HARMFUL = {
    "ReadFile": "reads files",
    "WriteFile": "writes files",
    "MatchingFiles": "reads files",
    "RestoreV2": "reads files",
    "SaveV2": "writes files",
    "Save": "writes files",
    "MergeV2Checkpoints": "writes files",
    "ImmutableConst": "reads files",
    "InitializeTableFromTextFileV2": "reads files",
    "TextLineReaderV2": "reads files",
    "TFRecordDataset": "reads files",
    "DecodeProtoV2": "reads files",
    "PrintV2": "writes files",
    "Print": "writes to the log",
    "WriteScalarSummary": "writes files",
    "DebugIdentityV2": "writes files",
    "PyFunc": "calls Python code",
    "PyFuncStateless": "calls Python code",
    "EagerPyFunc": "calls Python code",
    "Send": "speaks to other processes",
    "_HostRecv": "speaks to other processes",
    "Rpc": "speaks to other processes",
    "RemoteCall": "speaks to other processes",
    "CollectiveReduceV2": "speaks to other processes",
    "DataServiceDatasetV4": "speaks to other processes",
    "TPUPartitionedCall": "speaks to other processes",
    "XlaCallModule": "runs code that a scan cannot see",
    "XlaLaunch": "runs code that a scan cannot see",
    "SymbolicGradient": "runs code that a scan cannot see",
    "IteratorGetNext": "reads data sets",
    "OneShotIterator": "reads data sets",
    "QueueDequeueV2": "keeps state between calls",
    "HashTableV2": "keeps state between calls",
    "LookupTableFindV2": "keeps state between calls",
    "AssignVariableOp": "keeps state",
    "ResourceApplyAdam": "keeps state",
    "RandomStandardNormal": "draws random numbers",
    "RandomUniform": "draws random numbers",
    "StatelessRandomNormalV2": "draws random numbers",
    "StatefulStandardNormalV2": "draws random numbers",
    "Multinomial": "draws random numbers",
    "ParameterizedTruncatedNormal": "draws random numbers",
    "FractionalMaxPool": "draws random numbers",
    "Abort": "does more than compute its result",
    "Empty": "does more than compute its result",
    "Timestamp": "does more than compute its result",
}


@pytest.mark.parametrize("operation", sorted(HARMFUL))
def test_what_does_harm_is_refused_by_name(operation: str) -> None:
    data = saved_model([node("Placeholder", "x"), node(operation, "bad", "x"), node("Identity", "outputs", "bad:0")])
    with pytest.raises(ForbiddenOperation) as refused:
        scan_saved_model(data)
    assert (refused.value.operation, refused.value.node, refused.value.path) == (operation, "bad", SERVING)
    assert str(refused.value).startswith(f"{SERVING} reaches {operation}, which {HARMFUL[operation]}")
    assert str(refused.value).endswith("(node bad)")


def test_what_is_unknown_is_refused_by_name() -> None:
    for operation in ("Frobnicate", "relu", "", "Relu ", "évil\n" * 99):
        with pytest.raises(ForbiddenOperation, match="is not on the list of allowed operations") as refused:
            scan_saved_model(saved_model([node(operation, "outputs")]))
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 300


def test_what_is_known_to_do_harm_is_named_before_what_is_unknown() -> None:
    data = saved_model([node("Frobnicate", "outputs", "read"), node("ReadFile", "read")])
    with pytest.raises(ForbiddenOperation, match="ReadFile"):
        scan_saved_model(data)


def test_a_sound_graph_is_counted() -> None:
    nodes = [node("Placeholder", "x"), node("Relu", "a", "x"), call("outputs", "half", "a:0"), node("WriteFile", "w")]
    scan = scan_saved_model(saved_model(nodes, [function("half", [node("Relu", "r", "x")])], object_graph=objects()))
    assert (scan.format, dict(scan.operations)) == ("SavedModel", {"Placeholder": 1, "Relu": 2, "PartitionedCall": 1})
    assert scan.not_for_tensorflow is None


@pytest.mark.parametrize(
    ("nodes", "functions", "path"),
    [
        ([node("Identity", "outputs", "x", "^bad"), node("Placeholder", "x"), node("ReadFile", "bad")], [], SERVING),
        ([call("outputs", "f")], [function("f", [node("ReadFile", "bad")])], f"{SERVING} → f"),
        (
            [call("outputs", "f", operation="StatefulPartitionedCall")],
            [function("f", [call("g", "g")]), function("g", [node("ReadFile", "bad")])],
            f"{SERVING} → f → g",
        ),
        (
            [
                node(
                    "If", "outputs", attributes={"then_branch": function_named("f"), "else_branch": function_named("g")}
                )
            ],
            [function("f", []), function("g", [node("ReadFile", "bad")])],
            f"{SERVING} → g",
        ),
        (
            [node("While", "outputs", attributes={"cond": function_named("f"), "body": function_named("f")})],
            [function("f", [node("ReadFile", "bad"), call("again", "f")])],
            f"{SERVING} → f",
        ),
        (
            [node("Case", "outputs", attributes={"branches": field(1, field(9, field(1, "f")))})],
            [function("f", [node("ReadFile", "bad")])],
            f"{SERVING} → f",
        ),
        (
            [
                node(
                    "PartitionedCall",
                    "outputs",
                    attributes={
                        "f": field(10, field(1, "g") + field(2, field(1, "T") + field(2, function_named("f"))))
                    },
                )
            ],
            [function("g", []), function("f", [node("ReadFile", "bad")])],
            f"{SERVING} → f",
        ),
    ],
    ids=["control", "call", "calls", "branch", "loop", "list", "bound"],
)
def test_every_way_from_the_signature_is_followed(nodes: list[bytes], functions: list[bytes], path: str) -> None:
    with pytest.raises(ForbiddenOperation) as refused:
        scan_saved_model(saved_model(nodes, functions))
    assert (refused.value.operation, refused.value.node, refused.value.path) == ("ReadFile", "bad", path)


def test_what_runs_at_load_counts_as_reached() -> None:
    nodes = [node("Placeholder", "outputs"), node("NoOp", "init", "^write"), node("WriteFile", "write")]
    with pytest.raises(ForbiddenOperation, match=f"^{INIT} reaches WriteFile"):
        scan_saved_model(saved_model(nodes, initialiser="init"))
    for collection in ("saved_model_main_op", "legacy_init_op"):
        meta = field(1, collection) + field(2, field(1, field(1, "init")))
        graph = b"".join(field(1, each) for each in nodes)
        named = field(1, SERVING) + field(2, signature(["outputs:0"]))
        with pytest.raises(ForbiddenOperation, match=f"^{INIT} reaches WriteFile"):
            scan_saved_model(field(2, field(2, graph) + field(4, meta) + field(5, named)))


SOUND = [node("Placeholder", "outputs")]


def test_the_signature_of_the_objects_counts_as_the_serving_one() -> None:
    """TensorFlow gives out what the objects call the serving signature, whatever the graph's signature says."""
    evil = [function("evil", [node("WriteFile", "w")])]
    with pytest.raises(ForbiddenOperation, match=f"^{SERVING} → evil reaches WriteFile"):
        scan_saved_model(saved_model(SOUND, evil, object_graph=objects(serving="evil")))


def test_what_an_object_names_bars_tensorflow_alone() -> None:
    evil = [function("evil", [node("WriteFile", "w")])]
    scan = scan_saved_model(saved_model(SOUND, evil, object_graph=objects("evil")))
    assert str(scan.not_for_tensorflow) == "evil reaches WriteFile, which writes files (node w)"
    scan = scan_saved_model(saved_model(SOUND, evil, object_graph=objects()))
    assert "WriteFile" in str(scan.not_for_tensorflow), "its loader runs operations of functions that nothing calls"
    scan = scan_saved_model(saved_model(SOUND, evil))
    assert str(scan.not_for_tensorflow) == "it has no objects: TensorFlow 1 saved it"


def test_only_the_saver_saves_and_restores() -> None:
    saver = ["saver_filename:0", "save:0", "restore"]
    nodes = [*SOUND, node("Placeholder", "saver_filename"), call("save", "s"), call("restore", "r")]
    functions = [function("s", [node("SaveV2", "a")]), function("r", [node("RestoreV2", "a"), node("NoOp", "b")])]
    assert (
        scan_saved_model(saved_model(nodes, functions, saver=saver, object_graph=objects())).not_for_tensorflow is None
    )
    named = scan_saved_model(saved_model(nodes, functions, saver=saver, object_graph=objects("r")))
    assert str(named.not_for_tensorflow) == "r reaches RestoreV2, which reads files (node a)"
    with pytest.raises(ForbiddenOperation, match=f"^{SERVING} → r reaches RestoreV2"):
        scan_saved_model(saved_model(nodes, functions, outputs=["restore"], saver=saver, object_graph=objects()))
    other = [function("s", [node("WriteFile", "a")]), functions[1]]
    barred = scan_saved_model(saved_model(nodes, other, saver=saver, object_graph=objects()))
    assert str(barred.not_for_tensorflow) == "s reaches WriteFile, which writes files (node a)"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it holds 0 graphs, not one"),
        (saved_model(SOUND) * 2, "it holds 2 graphs, not one"),
        (saved_model([], signatures={"other": signature(["x"])}), f"it has no signature {SERVING}"),
        (saved_model([], outputs=[]), f"its signature {SERVING} has no output"),
        (saved_model([], outputs=["y:0"]), "serving_default reaches the node 'y', which is not there"),
        (saved_model([call("outputs", "f")]), "calls the function 'f', which is not there"),
        (saved_model(SOUND * 2), "two nodes are called 'outputs'"),
        (saved_model(SOUND, [function("f", [])] * 2), "two functions are called 'f'"),
        (
            saved_model([node("Relu", "outputs")], [function("Relu", [])]),
            "a function is called as the operation 'Relu'",
        ),
        (saved_model([node("Const", "outputs") + field(2, "Relu")]), "field 2 stands twice"),
        (
            saved_model(SOUND, object_graph=objects().replace(b"\x08\x01", b"\x08\x63", 1)),
            "its objects have no number 99",
        ),
        (
            saved_model(SOUND, signatures={SERVING: field(2, field(1, "z") + field(2, field(4, b"")))}),
            "no dense tensor",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ArtefactUnreadable, match=said):
        scan_saved_model(data)


def test_a_function_may_have_a_roots_name() -> None:
    """The way to a node ends, whatever functions are called."""
    functions = [function(SERVING, [node("ReadFile", "bad")]), function("f", [call("g", SERVING)])]
    with pytest.raises(ForbiddenOperation) as refused:
        scan_saved_model(saved_model([call("outputs", "f")], functions))
    assert refused.value.path == f"{SERVING} → f → {SERVING}"


def test_a_long_way_is_shown_by_its_ends() -> None:
    functions = [function(f"f{i}", [call("next", f"f{i + 1}")]) for i in range(5000)]
    functions.append(function("f5000", [node("ReadFile", "bad")]))
    with pytest.raises(ForbiddenOperation) as refused:
        scan_saved_model(saved_model([call("outputs", "f0")], functions))
    assert refused.value.path == f"{SERVING} → f0 → f1 → … → f4998 → f4999 → f5000"


@pytest.mark.parametrize("shape", [[100_000, 100_000], [2**63], [2**32, 2**32], [2**64 - 1], [1] * 300])
def test_a_constant_is_judged_by_what_it_is_in_memory(shape: list[int]) -> None:
    with pytest.raises(ArtefactUnreadable, match="constant"):
        scan_saved_model(saved_model([node("Const", "outputs", attributes={"value": constant(shape)})]))
    listed = field(1, constant(shape))
    with pytest.raises(ArtefactUnreadable, match="constant"):
        scan_saved_model(
            saved_model([*SOUND, node("Other", "o", attributes={"v": listed.replace(b"\x42", b"\x42", 1)})])
        )


def test_constants_are_added_up() -> None:
    quarter = {"value": constant([reader.MAX_CONSTANT_BYTES // 16])}
    four = [node("Const", f"c{i}", attributes=quarter) for i in range(4)]
    scan_saved_model(saved_model([*SOUND, *four]))
    with pytest.raises(ArtefactUnreadable, match="its constants take more than 1073741824 bytes"):
        scan_saved_model(saved_model([*SOUND, *four, node("Const", "c", attributes={"value": constant([])})]))


def test_sizes_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved_model([*SOUND, node("NoOp", "a"), node("NoOp", "b")], [function(f"f{i}", []) for i in range(3)])
    for limit, value, said in (
        ("MAX_GRAPH_BYTES", len(data) - 1, "bytes; at most"),
        ("MAX_NODES", 2, "more than 2 nodes"),
        ("MAX_FUNCTIONS", 2, "more than 2 functions"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(reader, limit, value)
            with pytest.raises(ArtefactUnreadable, match=said):
                scan_saved_model(data)
    bound = function_named("f")
    for _ in range(12):
        bound = field(10, field(1, "f") + field(2, field(1, "g") + field(2, bound)))
    with pytest.raises(ArtefactUnreadable, match="deep in attributes"):
        scan_saved_model(saved_model([node("PartitionedCall", "outputs", attributes={"f": bound})]))


def test_what_is_allowed_matches_no_reason_to_refuse_it() -> None:
    assert [name for name in ALLOWED if is_known(name)] == []
    assert ALLOWED & (SAVER | HARMFUL.keys()) == frozenset()
    assert all(is_known(name) and reason_of(name)[0].islower() for name in HARMFUL)
