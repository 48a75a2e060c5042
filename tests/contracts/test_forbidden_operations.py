"""Networks that do more than compute, saved by TensorFlow itself: no engine ever runs them, whatever is chosen."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from latent.bulk.engine import load
from model_store import ModelStore
from model_store.artefacts import Scan, scan_half
from model_store.artefacts.saved_model import parse_saved_model
from model_store.artefacts.tensorflow_operations import ALLOWED, SAVER
from model_store.errors import ArtefactUnreadable, ForbiddenOperation
from model_store.manifest import FileDigest
from model_store.verify import DIGEST, MANIFEST, digest_file, digest_line, read_manifest, verify_version
from service.engines import EngineError, create_engine
from tests.support.publisher import republish
from tests.support.saved_models import node, objects, saved_model
from tests.support.server import RunningServer, running_server

tf = pytest.importorskip("tensorflow")

Tensor = Any
Encode = Callable[[Tensor], Tensor]


def save(directory: Path, change: Encode, extra: Callable[[Any], object] = lambda _: None) -> Path:
    """The encoder of `image` with a change before it; `extra` may hang more on the module."""
    halves = tf.constant([[[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 1.0]]]] * 4)

    def encode(x: Tensor) -> dict[str, Tensor]:
        z = tf.einsum("nhwc,hwcd->nd", change(x), tf.reshape(halves, [4, 4, 1, 2])) / 2.0 - 2.0
        return {"z_mean": z, "z_log_var": tf.zeros_like(z) + tf.constant([-2.0, -1.0])}

    module = tf.Module()
    extra(module)
    spec = tf.TensorSpec((None, 4, 4, 1), tf.float32, name="x")
    module.serve = tf.function(encode, input_signature=[spec], autograph=False)
    tf.saved_model.save(module, str(directory), signatures={"serving_default": module.serve.get_concrete_function()})
    return directory


def writes(path: Path) -> Encode:
    def change(x: Tensor) -> Tensor:
        with tf.control_dependencies([tf.io.write_file(str(path), tf.io.read_file("/etc/hostname"))]):
            return tf.identity(x)

    return change


def prints(path: Path) -> Encode:
    def change(x: Tensor) -> Tensor:
        tf.print(x, output_stream=f"file://{path}")
        return tf.identity(x)

    return change


def calls_python(path: Path) -> Encode:
    def change(x: Tensor) -> Tensor:
        return tf.ensure_shape(tf.numpy_function(lambda a: (path.write_text("x"), a)[1], [x], tf.float32), x.shape)

    return change


def writes_in_a_branch(path: Path) -> Encode:
    return lambda x: tf.cond(tf.reduce_sum(x) > -1.0, lambda: writes(path)(x), lambda: x)


def writes_in_a_loop(path: Path) -> Encode:
    return lambda x: tf.while_loop(lambda i, _: i < 1, lambda i, y: (i + 1, writes(path)(y)), [0, x])[1]


def draws(_: Path) -> Encode:
    return lambda x: x + 0.0 * tf.random.normal(tf.shape(x))


def draws_by_a_seed(_: Path) -> Encode:
    return lambda x: x + 0.0 * tf.random.stateless_normal(tf.shape(x), [1, 2])


def checks(x: Tensor) -> Tensor:
    tf.debugging.assert_less(x, 9.0)
    return x


def reads_a_data_set(_: Path) -> Encode:
    return lambda x: x + 0.0 * tf.cast(tf.data.Dataset.range(3).reduce(tf.constant(0, tf.int64), tf.add), tf.float32)


def lists_files(_: Path) -> Encode:
    return lambda x: x + 0.0 * tf.cast(tf.size(tf.io.matching_files("/etc/*")), tf.float32)


def reads_a_checkpoint(_: Path) -> Encode:
    return lambda x: (
        x
        + 0.0
        * tf.raw_ops.RestoreV2(prefix="/somewhere", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32])[0]
    )


EVIL: dict[str, tuple[Callable[[Path], Encode], str]] = {
    "WriteFile": (writes, "reads files|writes files"),
    "PrintV2": (prints, "writes files"),
    "PyFunc": (calls_python, "calls Python code of the process"),
    "branch": (writes_in_a_branch, "reads files|writes files"),
    "loop": (writes_in_a_loop, "reads files|writes files"),
    "RandomStandardNormal": (draws, "draws random numbers: export the network without it"),
    "StatelessRandom": (draws_by_a_seed, "draws random numbers: export the network without it"),
    "RangeDataset": (reads_a_data_set, "reads data sets"),
    "MatchingFiles": (lists_files, "reads files"),
    "RestoreV2": (reads_a_checkpoint, "reads files"),
}


@pytest.mark.parametrize("kind", sorted(EVIL))
def test_what_tensorflow_saved_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    make, said = EVIL[kind]
    save(tmp_path / "encoder", make(tmp_path / "written"))
    with pytest.raises(ForbiddenOperation, match=rf"^encoder/saved_model\.pb: serving_default → .*({said})"):
        scan_half(tmp_path / "encoder")
    assert not (tmp_path / "written").exists()


def reseal(version: Path) -> None:
    """Give changed files their digests, as someone with bad intentions would, who does not ask our publisher."""
    manifest = read_manifest(version)
    files: dict[str, FileDigest] = {}
    for path in sorted(version.rglob("*")):
        name = path.relative_to(version).as_posix()
        if path.is_file() and name not in (MANIFEST, DIGEST):
            files[name] = digest_file(path)
    data = manifest.model_copy(update={"files": files}).to_json()
    (version / MANIFEST).write_bytes(data)
    (version / DIGEST).write_bytes(digest_line(data))


@pytest.fixture
def evil_store(fresh_store: ModelStore, tmp_path: Path) -> ModelStore:
    """`image@2`, right in every digest, whose encoder writes the host's name into a file; `image@1` is sound."""
    version = fresh_store.directory("image", 2)
    republish(fresh_store.path, "image", fresh_store.directory("image", 1))
    shutil.rmtree(version / "encoder")
    save(version / "encoder", writes(tmp_path / "written"))
    reseal(version)
    return fresh_store


def only(server: RunningServer, version: int) -> dict[str, Any]:
    models = {model["name"]: model["versions"] for model in server.http.get("/models").json()["models"]}
    found: dict[str, Any] = next(each for each in models["image"] if each["version"] == version)
    return found


@pytest.mark.parametrize("engine", ["auto", "openvino", "tensorflow"])
def test_no_choice_of_engine_serves_it(evil_store: ModelStore, tmp_path: Path, engine: str) -> None:
    with running_server(evil_store.path, engine=engine, model="image") as server:
        reply = server.http.post("/encode", json={"inputs": [[[0.5] * 4] * 4]})
        assert reply.status_code == 200, "the sound version goes on"
        refused = only(server, 2)
        assert refused["state"] == "failed"
        assert refused["reason"].startswith("ForbiddenOperation: encoder/saved_model.pb: serving_default → ")
        assert "WriteFile" in refused["reason"] or "ReadFile" in refused["reason"]
        assert only(server, 1)["state"] == "ready"
        said = [line for line in server.log_lines() if line["event"] == "version failed"]
        assert any("ForbiddenOperation" in line["reason"] for line in said)
    assert not (tmp_path / "written").exists()


def test_neither_verify_nor_promote_nor_a_data_set_runs_it(evil_store: ModelStore, tmp_path: Path) -> None:
    version = evil_store.directory("image", 2)
    with pytest.raises(ForbiddenOperation):
        verify_version(version)
    assert [type(finding.error) for finding in evil_store.verify("image@2")] == [ForbiddenOperation]
    with pytest.raises(ForbiddenOperation):
        evil_store.promote("image@2")
    for engine in ("auto", "openvino", "tensorflow"):
        with pytest.raises(ForbiddenOperation):
            load(version, engine, threads=1)
    assert not (tmp_path / "written").exists()


def test_it_is_not_published_either(fresh_store: ModelStore, tmp_path: Path) -> None:
    def change(staged: Path) -> None:
        shutil.rmtree(staged / "encoder")
        save(staged / "encoder", writes(tmp_path / "written"))

    with pytest.raises(ForbiddenOperation):
        republish(fresh_store.path, "image", fresh_store.directory("image", 1), change)
    assert fresh_store.versions("image") == [1]


# -- what TensorFlow's loader does besides -----------------------------------------------------------------


def test_a_table_that_reads_a_file_at_load_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a 1\nb 2\n")

    def table(module: Any) -> None:  # noqa: ANN401 - a tf.Module
        read = tf.lookup.TextFileInitializer(str(tmp_path / "words"), tf.string, 0, tf.int64, 1, delimiter=" ")
        module.table = tf.lookup.StaticHashTable(read, -1)

    save(tmp_path / "encoder", lambda x: x, table)
    with pytest.raises(
        ForbiddenOperation, match=r"__saved_model_init_op .*(InitializeTableFromTextFileV2|AssignVariableOp)"
    ):
        scan_half(tmp_path / "encoder")


def test_what_an_object_writes_when_it_is_made_is_refused(tmp_path: Path) -> None:
    from tensorflow.python.trackable.resource import TrackableResource

    class Resource(TrackableResource):  # type: ignore[misc] # tensorflow publishes no types
        def _create_resource(self) -> Tensor:
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self) -> None:
            tf.io.write_file(str(tmp_path / "written"), "x")

    def hang_on(module: Any) -> None:  # noqa: ANN401 - a tf.Module
        module.resource = Resource()

    save(tmp_path / "encoder", lambda x: x, hang_on)
    (tmp_path / "written").unlink(missing_ok=True)
    with pytest.raises(ForbiddenOperation, match=r"__saved_model_init_op → .*WriteFile"):
        scan_half(tmp_path / "encoder")
    assert not (tmp_path / "written").exists()


def reads(path: Path) -> Callable[[Any], object]:
    """Hang a function on the module that nothing calls. Its shape follows from a file's content."""

    def hang_on(module: Any) -> None:  # noqa: ANN401 - a tf.Module
        size = lambda: tf.zeros(tf.io.decode_raw(tf.io.read_file(str(path)), tf.int32))  # noqa: E731
        module.other = tf.function(size, input_signature=[])
        module.other.get_concrete_function()

    return hang_on


def test_what_nothing_calls_bars_tensorflow_alone(tmp_path: Path) -> None:
    """TensorFlow's loader reads the file all the same, to learn a shape; OpenVINO never sees the function."""
    artefact = scan_half(save(tmp_path / "encoder", lambda x: x, reads(tmp_path / "pipe")))
    os.mkfifo(tmp_path / "pipe")
    assert isinstance(artefact.scan.not_for_tensorflow, ForbiddenOperation)
    with pytest.raises(EngineError, match=r"TensorFlow may not load encoder: .* reaches ReadFile, which reads files"):
        create_engine("tensorflow", 1).load(artefact)
    assert create_engine("openvino", 1).load(artefact).input_names == {"x"}


def test_tensorflow_reads_what_nothing_calls(tmp_path: Path) -> None:
    """Why that bars TensorFlow: its loader hangs here until somebody writes into the pipe."""
    save(tmp_path / "encoder", lambda x: x, reads(tmp_path / "pipe"))
    os.mkfifo(tmp_path / "pipe")
    opened = threading.Event()

    def wait_for_a_reader() -> None:
        with suppress(BrokenPipeError), (tmp_path / "pipe").open("wb") as pipe:
            opened.set()
            pipe.write(b"\1\0\0\0")

    writer = threading.Thread(target=wait_for_a_reader, daemon=True)
    writer.start()
    tf.saved_model.load(str(tmp_path / "encoder"))
    assert opened.wait(60)
    writer.join(60)


def test_objects_that_call_another_function_the_serving_signature(tmp_path: Path) -> None:
    """The graph's signature is sound, so OpenVINO would run nothing evil; TensorFlow follows the objects instead."""
    from tensorflow.core.protobuf import saved_model_pb2

    def hang_on(module: Any) -> None:  # noqa: ANN401 - a tf.Module
        spec = tf.TensorSpec((None, 4, 4, 1), tf.float32, name="x")
        module.evil = tf.function(writes(tmp_path / "written"), input_signature=[spec])
        module.evil.get_concrete_function()

    file = save(tmp_path / "encoder", lambda x: x, hang_on) / "saved_model.pb"
    document = saved_model_pb2.SavedModel()
    document.ParseFromString(file.read_bytes())
    nodes = document.meta_graphs[0].object_graph_def.nodes
    children = {child.local_name: child.node_id for child in nodes[0].children}
    (evil,) = nodes[children["evil"]].function.concrete_functions
    (serving,) = nodes[children["signatures"]].children
    nodes[serving.node_id].bare_concrete_function.concrete_function_name = evil
    file.write_bytes(document.SerializeToString())
    with pytest.raises(ForbiddenOperation, match=f"serving_default → {evil} reaches (Read|Write)File"):
        scan_half(tmp_path / "encoder")


@pytest.mark.parametrize("make", [lambda x: x, draws(Path()), checks], ids=["plain", "random", "check"])
def test_the_scan_reads_what_tensorflow_wrote(tmp_path: Path, make: Encode) -> None:
    """Nodes, functions and signatures are those that TensorFlow's own parser finds."""
    from tensorflow.core.protobuf import saved_model_pb2

    data = (save(tmp_path / "encoder", make) / "saved_model.pb").read_bytes()
    theirs = saved_model_pb2.SavedModel()
    theirs.ParseFromString(data)
    (meta,) = theirs.meta_graphs
    ours = parse_saved_model(data)
    assert {n.name: n.op for n in meta.graph_def.node} == {name: n.operation for name, n in ours.nodes.items()}
    library = {f.signature.name: [(n.name, n.op) for n in f.node_def] for f in meta.graph_def.library.function}
    assert library == {name: [(n.name, n.operation) for n in nodes] for name, nodes in ours.functions.items()}
    named = {output.name.partition(":")[0] for output in meta.signature_def["serving_default"].outputs.values()}
    assert set(ours.outputs) == named
    assert ours.objects is not None
    assert ours.objects.named
    assert ours.objects.serving < ours.objects.named | set(library)


SAVED = saved_model(
    [node("Placeholder", "x"), node("Relu", "outputs", "x", attributes={"T": b""})], object_graph=objects()
)


@given(st.data())
def test_of_a_changed_file_the_scan_reads_what_protobuf_reads_or_nothing(data: st.DataObject) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    changed = bytearray(SAVED)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    theirs = saved_model_pb2.SavedModel()
    with suppress(ArtefactUnreadable, DecodeError):
        ours = parse_saved_model(bytes(changed))
        theirs.ParseFromString(bytes(changed))
        nodes = theirs.meta_graphs[0].graph_def.node
        assert {n.name: n.op for n in nodes} == {name: n.operation for name, n in ours.nodes.items()}


def test_the_lists_hold_operations_of_tensorflow_that_keep_no_state() -> None:
    """Its own registry says so of each; the exceptions read variables, call functions, check, or last for one call."""
    from tensorflow.python.framework import op_def_registry

    known = {name: op_def_registry.get(name) for name in ALLOWED | SAVER}
    assert sorted(name for name, definition in known.items() if definition is None) == []
    stateful = {name for name in ALLOWED if known[name].is_stateful}
    assert {name for name in stateful if not name.startswith("TensorArray")} == STATEFUL


STATEFUL = {
    "Assert",
    "Case",
    "CheckNumerics",
    "CheckNumericsV2",
    "If",
    "ReadVariableOp",
    "ResourceGather",
    "ResourceGatherNd",
    "StatefulPartitionedCall",
    "VarHandleOp",
    "VarIsInitializedOp",
    "Variable",
    "VariableShape",
    "VariableV2",
    "While",
}


def test_a_scan_that_passed_is_a_scan(affine_store: ModelStore) -> None:
    for name in affine_store.names():
        for half in ("encoder", "decoder"):
            scan = scan_half(affine_store.directory(name, 1) / half).scan
            assert isinstance(scan, Scan)
            assert scan.not_for_tensorflow is None
