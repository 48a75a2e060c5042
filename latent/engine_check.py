"""The check that training is given: whether the default engine serves what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def serves_on_openvino(directory: Path, body: Any) -> None:  # noqa: ANN401 - ManifestBody, imported only to train
    """Whether the default engine reproduces a staged version. Raises a StoreError where it does not."""
    from service.models.loaded_version import check_directory

    check_directory("openvino", directory, body)
