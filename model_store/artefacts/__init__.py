"""Scans networks before any engine reads them: only operations that are on a list are allowed.

Reads SavedModel, ONNX and OpenVINO IR without a runtime. See docs/model-store.md, "What a network may do".
"""

from model_store.artefacts.results import Format, Scan
from model_store.artefacts.scan import FoundArtefact, scan_path
from model_store.artefacts.scanned import ScannedArtefact, scan_half

__all__ = ["Format", "FoundArtefact", "Scan", "ScannedArtefact", "scan_half", "scan_path"]
