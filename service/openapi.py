"""Print the OpenAPI document of a service with default settings: `python -m service.openapi > docs/openapi.json`."""

from __future__ import annotations

import json
import sys

from service.app import create_app
from service.settings import Settings


def document_text() -> str:
    """The document as docs/openapi.json holds it."""
    return json.dumps(create_app(Settings(root_path="")).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document_text())
