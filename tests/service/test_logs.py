"""What an unforeseen error leaves in the log."""

from __future__ import annotations

import json
import sys

from service.logs import TRACEBACKS


def test_a_trace_names_its_lines_and_no_values() -> None:
    sent = "Bearer 123"
    try:
        int("x" if sent else "1")
    except ValueError:
        event = dict(TRACEBACKS(None, "error", {"exc_info": sys.exc_info()}))
    text = json.dumps(event)
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert sent not in text
