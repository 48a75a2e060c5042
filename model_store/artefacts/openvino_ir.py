"""Scans an OpenVINO IR: every layer of its XML file, of the bodies of loops and branches too.

The XML is read by expat, event by event. Entities and document types are refused, so that nothing is ever expanded or
read from elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from xml.parsers import expat

from model_store.artefacts.openvino_operations import ALLOWED
from model_store.artefacts.refusals import refuse
from model_store.artefacts.results import Scan
from model_store.artefacts.saved_model import MAX_NODES
from model_store.errors import ArtefactUnreadable

MAX_XML_BYTES = 64 * 2**20
_MAX_ELEMENTS = 4_000_000
_MAX_DEPTH = 64
_OPSET = re.compile(r"opset[1-9][0-9]?")


def scan_ir(data: bytes) -> Scan:
    """Scan the bytes of an IR's .xml file. Raises ForbiddenOperation or ArtefactUnreadable."""
    if len(data) > MAX_XML_BYTES:
        raise ArtefactUnreadable(f"it has {len(data)} bytes; at most {MAX_XML_BYTES} are read")
    return _Scanner().scan(data)


class _Scanner:
    def __init__(self) -> None:
        self._operations: Counter[str] = Counter()
        self._elements = 0
        self._open: list[str] = []
        """Names of the elements around this place; of layers, their type."""

    def scan(self, data: bytes) -> Scan:
        parser = expat.ParserCreate()
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = _no_entities
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise ArtefactUnreadable(f"it is no XML ({error})") from error
        return Scan("OpenVINO IR", self._operations)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if not self._open and name != "net":
            raise ArtefactUnreadable(f"its XML holds <{name[:32]}>, not <net>")
        if self._elements > _MAX_ELEMENTS or len(self._open) > _MAX_DEPTH:
            raise ArtefactUnreadable(f"it has more than {_MAX_ELEMENTS} elements, or stands {_MAX_DEPTH} deep")
        self._open.append(name)
        if name == "layer":
            self._take(attributes)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _take(self, layer: dict[str, str]) -> None:
        operation, opset = layer.get("type", ""), layer.get("version", "")
        path = [name for name in self._open if name not in ("layers", "layer")]
        if not _OPSET.fullmatch(opset):
            raise refuse(operation, layer.get("name", ""), path, f"is of no standard operation set, but of {opset!r}")
        if operation not in ALLOWED:
            raise refuse(operation, layer.get("name", ""), path)
        self._operations[operation] += 1
        if self._operations.total() > MAX_NODES:
            raise ArtefactUnreadable(f"it has more than {MAX_NODES} layers")


def _no_entities(*_: object) -> int:
    raise ArtefactUnreadable("its XML has a document type or entities")
