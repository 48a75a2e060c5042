"""The chart of docs/performance.md."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmarks.serving.chart import RESULTS, draw
from benchmarks.serving.results import read_results


def test_the_chart_is_drawn_from_the_committed_results(tmp_path: Path) -> None:
    path = tmp_path / "requests.png"
    draw(read_results(RESULTS).figures(), path)
    with Image.open(path) as picture:
        assert picture.width > picture.height > 0
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 3  # three colours of bars, and the paper
