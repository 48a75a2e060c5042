"""OpenVINO IR: layers, bodies, and an XML that may be hostile."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.artefacts import openvino_ir
from model_store.artefacts.openvino_ir import scan_ir
from model_store.errors import ArtefactUnreadable, ForbiddenOperation, VersionDamaged


def layer(kind: str, opset: str = "opset1", inner: str = "") -> str:
    return f'<layer id="0" name="n" type="{kind}" version="{opset}">{inner}</layer>'


def net(*layers: str, before: str = "") -> bytes:
    return f'{before}<net name="m" version="11"><layers>{"".join(layers)}</layers><edges/></net>'.encode()


def test_a_sound_network_is_counted() -> None:
    layers = (layer("Parameter"), layer("ReLU", "opset14"), layer("ReLU", "opset1"), layer("Result"))
    scan = scan_ir(net(*layers, before='<?xml version="1.0"?>'))
    assert (scan.format, dict(scan.operations)) == ("OpenVINO IR", {"Parameter": 1, "ReLU": 2, "Result": 1})


@pytest.mark.parametrize(
    ("kind", "opset", "said"),
    [
        ("ReadValue", "opset6", "keeps state"),
        ("Assign", "opset6", "keeps state"),
        ("RandomUniform", "opset8", "draws random numbers"),
        ("Multinomial", "opset13", "draws random numbers"),
        ("Frobnicate", "opset1", "is not on the list"),
        ("ReLU", "extension", "is of no standard operation set, but of 'extension'"),
        ("ReLU", "", "is of no standard operation set, but of ''"),
        ("ReLU", "opset1 ", "is of no standard operation set"),
        ("ReLU", "ie_internal_opset", "is of no standard operation set"),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(kind: str, opset: str, said: str) -> None:
    with pytest.raises(ForbiddenOperation, match=rf"^net reaches {kind}, which {said}"):
        scan_ir(net(layer("Parameter"), layer(kind, opset)))


def test_bodies_are_scanned() -> None:
    for body in ("body", "then_body", "port_map"):
        inner = f"<{body}><layers>{layer('ReadValue', 'opset6')}</layers></{body}>"
        with pytest.raises(ForbiddenOperation, match=f"net → {body} reaches ReadValue"):
            scan_ir(net(layer("TensorIterator", inner=inner)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no XML"),
        (b"<net>", "no XML"),
        (b"<model/>", "holds <model>, not <net>"),
        (b"<!DOCTYPE net><net/>", "a document type or entities"),
        (b'<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><net name="&b;"/>', "a document type or entities"),
        (b'<!DOCTYPE net SYSTEM "file:///etc/passwd"><net/>', "a document type or entities"),
        (b"<net>&undefined;</net>", "no XML"),
        (b"<net>" * 100, "64 deep"),
    ],
)
def test_a_hostile_xml_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ArtefactUnreadable, match=said):
        scan_ir(data)


def test_sizes_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    data = net(*[layer("ReLU")] * 4)
    for limit, value in (("MAX_XML_BYTES", len(data) - 1), ("MAX_NODES", 3), ("_MAX_ELEMENTS", 4)):
        with monkeypatch.context() as patch:
            patch.setattr(openvino_ir, limit, value)
            with pytest.raises(ArtefactUnreadable, match=r"at most|more than"):
                scan_ir(data)


@given(st.one_of(st.binary(max_size=100), st.text(alphabet='<>/&;"= netlayr!\n', max_size=60).map(str.encode)))
def test_noise_is_refused_or_read(noise: bytes) -> None:
    for data in (noise, b"<net>" + noise + b"</net>"):
        with suppress(VersionDamaged):
            scan_ir(data)
