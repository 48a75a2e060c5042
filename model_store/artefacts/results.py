"""What a scan found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from model_store.errors import StoreError

Format = Literal["SavedModel", "ONNX", "OpenVINO IR"]


@dataclass(frozen=True)
class Scan:
    """An artefact without forbidden operations."""

    format: Format
    operations: Mapping[str, int]
    """How often each operation stands in what is served, by name."""
    not_for_tensorflow: StoreError | None = None
    """Why TensorFlow may not load it: its loader runs more than what is served."""
