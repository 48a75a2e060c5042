"""ONNX models, written byte by byte: nodes, graphs in attributes, functions, and where weights stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_store.artefacts.onnx import scan_onnx
from model_store.errors import ArtefactUnreadable, ForbiddenOperation, UnsafePath
from tests.support.saved_models import field, varint

HERE = Path("nowhere")


def onnx_node(operation: str, name: str = "n", *, domain: str = "", attributes: bytes = b"") -> bytes:
    return field(1, "x") + field(2, "y") + field(3, name) + field(4, operation) + attributes + field(7, domain)


def graph(*nodes: bytes, rest: bytes = b"") -> bytes:
    return b"".join(field(1, each) for each in nodes) + rest


def model(*nodes: bytes, rest: bytes = b"", functions: bytes = b"") -> bytes:
    return field(1, 8) + field(7, graph(*nodes, rest=rest)) + functions


def tensor(shape: list[int], location: str | None = None) -> bytes:
    packed = b"".join(varint(size) for size in shape)
    if location is None:
        return field(1, packed) + field(2, 1)
    entry = field(13, field(1, "location") + field(2, location))
    return field(1, packed) + field(2, 1) + entry + field(14, 1)


def initializer(shape: list[int], location: str | None = None) -> bytes:
    return field(5, tensor(shape, location))


def test_a_sound_model_is_counted() -> None:
    scan = scan_onnx(model(onnx_node("Conv"), onnx_node("Relu"), onnx_node("Relu", domain="ai.onnx")), HERE)
    assert (scan.format, dict(scan.operations)) == ("ONNX", {"Conv": 1, "Relu": 2})


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("RandomNormal", "draws random numbers"),
        ("RandomUniformLike", "draws random numbers"),
        ("Multinomial", "draws random numbers"),
        ("Bernoulli", "draws random numbers"),
        ("Dropout", "draws random numbers"),
        ("Frobnicate", "is not on the list"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(operation: str, said: str) -> None:
    with pytest.raises(ForbiddenOperation, match=f"^graph reaches {operation}, which {said}.*node bad"):
        scan_onnx(model(onnx_node("Relu"), onnx_node(operation, "bad")), HERE)


@pytest.mark.parametrize("number", [6, 11])
def test_graphs_in_attributes_are_scanned(number: int) -> None:
    inner = graph(onnx_node("If", attributes=field(5, field(number, graph(onnx_node("RandomNormal", "bad"))))))
    data = model(onnx_node("Loop", attributes=field(5, field(number, inner))))
    with pytest.raises(ForbiddenOperation, match=r"^graph → Loop → If reaches RandomNormal"):
        scan_onnx(data, HERE)
    for _ in range(40):
        inner = graph(onnx_node("If", attributes=field(5, field(number, inner))))
    with pytest.raises(ArtefactUnreadable, match="32 deep"):
        scan_onnx(model(onnx_node("If", attributes=field(5, field(number, inner)))), HERE)


def test_a_domain_of_its_own_is_refused_unless_the_model_says_what_its_functions_are() -> None:
    own = field(25, field(1, "Half") + field(7, onnx_node("Relu")) + field(10, "mine"))
    for domain in ("com.microsoft", "mine", "custom"):
        with pytest.raises(ForbiddenOperation, match=rf"{domain}\.Half, which is no operation of the ONNX standard"):
            scan_onnx(model(onnx_node("Half", domain=domain)), HERE)
    scan = scan_onnx(model(onnx_node("Half", domain="mine"), functions=own), HERE)
    assert dict(scan.operations) == {"mine.Half": 1, "Relu": 1}
    evil = field(25, field(1, "Half") + field(7, onnx_node("RandomNormal")) + field(10, "mine"))
    with pytest.raises(ForbiddenOperation, match=r"^Half reaches RandomNormal"):
        scan_onnx(model(onnx_node("Half", domain="mine"), functions=evil), HERE)
    for standard in ("", "ai.onnx"):
        other = field(25, field(1, "Relu") + field(7, onnx_node("Relu")) + field(10, standard))
        with pytest.raises(ArtefactUnreadable, match="a function Relu in the standard's own domain"):
            scan_onnx(model(onnx_node("Relu"), functions=other), HERE)


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../weights", "a/../../weights", "*/_ORT_MEM_ADDR_/*", "", "a\\b", "a\nb", "weights\0", "ö"],
)
def test_weights_outside_the_directory_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path.parent / "weights").write_bytes(b"")
    with pytest.raises(UnsafePath, match="no plain path inside its directory"):
        scan_onnx(model(rest=initializer([1], location)), tmp_path)


def test_weights_stand_in_a_file_and_not_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "weights").write_bytes(b"1234")
    scan_onnx(model(rest=initializer([1], "in/weights")), tmp_path)
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "through").symlink_to("/etc")
    for location in ("link", "through/hostname"):
        with pytest.raises(UnsafePath, match="which is a link"):
            scan_onnx(model(rest=initializer([1], location)), tmp_path)
    with pytest.raises(ArtefactUnreadable, match="which is not there"):
        scan_onnx(model(rest=initializer([1], "in")), tmp_path)
    with pytest.raises(ArtefactUnreadable, match=r"which cannot be read \(File name too long\)"):
        scan_onnx(model(rest=initializer([1], "a" * 300)), tmp_path)


@pytest.mark.parametrize(
    "where",
    [
        lambda location: field(15, field(1, tensor([1], location))),
        lambda location: field(15, field(2, tensor([1], location))),
        lambda location: field(1, onnx_node("Constant", attributes=field(5, field(5, tensor([1], location))))),
        lambda location: field(1, onnx_node("Constant", attributes=field(5, field(10, tensor([1], location))))),
        lambda location: field(1, onnx_node("If", attributes=field(5, field(6, initializer([1], location))))),
    ],
)
def test_weights_are_looked_for_wherever_they_may_stand(where) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(UnsafePath):
        scan_onnx(model(rest=where("../weights")), HERE)


def test_constants_are_judged_by_what_they_are_in_memory() -> None:
    for shape in ([100_000, 100_000], [2**63], [1] * 300):
        with pytest.raises(ArtefactUnreadable, match="constant"):
            scan_onnx(model(rest=initializer(shape)), HERE)


def test_what_is_no_model_is_refused() -> None:
    for data, said in ((b"", "no graph"), (b"\xff", "no end"), (model() + model(), "stands twice")):
        with pytest.raises(ArtefactUnreadable, match=said):
            scan_onnx(data, HERE)
